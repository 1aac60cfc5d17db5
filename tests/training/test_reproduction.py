"""Published tables: what they declare, which runs they plan, and what is made of finished ones."""

import csv
import dataclasses
import json
import math
import shutil
import statistics

import pytest

from cliffnet.errors import ConfigError, TaskError
from cliffnet.training import Reporter, get_task, start_run
from cliffnet.training.reproduction import (
    LAST_VALIDATION,
    Cell,
    CellResult,
    Outcome,
    Published,
    Reproduction,
    Table,
    describe_budget,
    get_table,
    reproduce,
    table_names,
)
from cliffnet.training.reproduction._pool import Worker
from cliffnet.training.reproduction._reproduce import _lock


class Lines(Reporter):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def tiny(make_config):
    """Return a table of two small runs and a published row, which trains in a moment."""
    sizes = {"seed": 5}
    quick = make_config(data=sizes)
    broken = dataclasses.replace(quick, train=dataclasses.replace(quick.train, lr=1e30))
    return Table(
        name="tiny",
        title="A tiny table",
        set_name="eval",
        metric="mse",
        metric_label="mean squared error",
        cells=(
            Cell("Quick", "50 systems", Published(100.0, 10.0, "a paper"), quick, 0.01),
            Cell("Broken", "50 systems", Published(1.0, source="a paper"), broken, 0.01),
            Cell("Shown", "50 systems", Published(2.0, source="another")),
        ),
        seeds=2,
    )


@pytest.fixture
def whole(tiny):
    """Return the tiny table without the run that fails."""
    return dataclasses.replace(tiny, cells=(tiny.cells[0], tiny.cells[2]))


@pytest.mark.parametrize("name", table_names())
def test_declared_tables_can_be_run(name, tmp_path):
    table = get_table(name)
    assert table.name == name
    assert table.seeds >= 1
    runs = Reproduction(table, tmp_path).plan()
    assert len(runs) == table.seeds * len(table.runnable) > 0
    for run in runs:
        assert run.cell.seconds_per_step > 0
        assert None not in (vars(run.config.model_options)[key] for key, value in vars(_defaults(run)).items() if value)
        assert run.config.train.seed == run.seed
    for cell in table.cells:
        assert cell.published is None or (cell.published.mean > 0 and cell.published.source)
    assert table.seconds(0.5) == pytest.approx(table.seconds() / 2, rel=0.01)
    assert not list(tmp_path.iterdir())


def _defaults(run):
    return get_task(run.config.task).models[run.config.model]


def test_unknown_names_list_what_there_is(tiny, tmp_path):
    with pytest.raises(TaskError, match="Did you mean nbody-gravity"):
        get_table("nbody-gravty")
    plan = Reproduction(tiny, tmp_path).plan
    with pytest.raises(TaskError, match=r"no cell called 'quik-50'.*Did you mean quick-50"):
        plan(only=["quik-50"])
    with pytest.raises(TaskError, match="its published number is shown, but there is no run for it"):
        plan(only=["shown-50"])
    with pytest.raises(TaskError, match=r"no model called 'gatr'.* Known: transformer"):
        plan(models=["gatr"])
    with pytest.raises(ConfigError, match="expected at least 1"):
        plan(seeds=0)
    for budget in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="positive share"):
            Reproduction(tiny, tmp_path, budget).plan()


def test_table_refuses_what_it_cannot_compare(tiny):
    with pytest.raises(ConfigError, match="several cells called quick-50"):
        dataclasses.replace(tiny, cells=tiny.cells + tiny.cells[:1])
    with pytest.raises(ConfigError, match="'mse' of 'train'"):
        dataclasses.replace(tiny, set_name="train")
    with pytest.raises(ConfigError, match="'accuracy' of 'eval'"):
        dataclasses.replace(tiny, metric="accuracy")


def test_plan_scales_steps_and_chooses(tiny, tmp_path):
    reproduction = Reproduction(dataclasses.replace(tiny, fresh_data=True), tmp_path, 0.5, threads=2)
    runs = reproduction.plan(seeds=3, only=["QUICK-50"])
    assert [(run.label, run.config.train.seed, run.config.data.seed) for run in runs] == [
        (f"quick-50, seed {seed}", seed, 5 + seed) for seed in range(3)
    ]
    assert {run.config.train.steps for run in runs} == {6}
    assert {run.config.threads for run in runs} == {2}
    assert {run.config.data.seed for run in Reproduction(tiny, tmp_path).plan()} == {5}
    assert [run.cell.name for run in Reproduction(tiny, tmp_path).plan(seeds=1)] == ["quick-50", "broken-50"]
    assert describe_budget(0.5) == "scaled to 50 % of the published steps"


def test_statistics_of_a_cell():
    cell = Cell("A", "1", Published(2.0))
    outcomes = {seed: Outcome(value, 60.0 * seed, 7, 1) for seed, value in enumerate((1.0, 2.0, 6.0))}
    result = CellResult(cell, outcomes)
    assert result.mean == 3.0
    assert result.deviation == pytest.approx(statistics.stdev((1.0, 2.0, 6.0)))
    assert (result.ratio, result.seconds, result.parameters) == (1.5, 60.0, 7)
    alone = CellResult(cell, {0: outcomes[0]})
    assert (alone.mean, alone.deviation) == (1.0, None)
    lost = CellResult(cell, {0: outcomes[0], 1: Outcome(math.nan, 1.0, 7, 1)})
    assert math.isnan(lost.mean)
    assert math.isnan(lost.deviation)
    assert (CellResult(cell).mean, CellResult(cell).ratio, CellResult(Cell("B", "1"), outcomes).ratio) == (None,) * 3


def test_only_a_run_that_is_judged_at_its_end_is_finished(whole, tmp_path):
    reproduction = Reproduction(whole, tmp_path)
    (run,) = reproduction.plan(seeds=1)
    assert reproduction.outcome(run) is None
    expected = start_run(run.config, run.folder)
    outcome = reproduction.outcome(run)
    assert outcome.value == expected.sets["eval"]["mse"]
    assert (outcome.parameters, outcome.best_step) == (expected.num_parameters, expected.step)
    last = Reproduction(dataclasses.replace(whole, set_name=LAST_VALIDATION, metric="loss"), tmp_path)
    with (run.folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "val"]
    assert last.outcome(run).value == float(rows[-1]["loss"])

    results = run.folder / "results.json"
    facts = json.loads(results.read_text())
    results.write_text(json.dumps({**facts, "best_step": facts["best_step"] - 1}))  # judged while under way
    assert reproduction.outcome(run) is None
    results.write_text(json.dumps(facts))
    assert list(reproduction.finished(run.cell)) == [(0, outcome)]
    shutil.rmtree(run.folder / "checkpoints" / "step-00000012")
    assert reproduction.outcome(run) is None
    assert run.steps_done == 8


def test_failed_runs_are_told_and_the_others_go_on(tiny, tmp_path, monkeypatch):
    folder, lines = tmp_path / "out", Lines()
    reproduction = Reproduction(tiny, folder)
    runs = reproduction.plan()
    started = []
    original = Worker.start

    def start(worker, run):
        started.append(run.label)
        original(worker, run)
        if run.label == "quick-50, seed 1":
            worker._process.kill()

    monkeypatch.setattr(Worker, "start", start)
    results, files = reproduce(reproduction, runs[:3], 2, lines)
    quick, broken, shown = results
    assert set(quick.outcomes) == {0}
    assert quick.failures == {1: "its process was ended by SIGKILL, perhaps for want of memory"}
    assert not broken.outcomes
    assert all("try a smaller --lr" in message for message in broken.failures.values())
    assert set(broken.failures) == {0}
    assert not shown.outcomes
    assert sorted(started) == ["broken-50, seed 0", "quick-50, seed 0", "quick-50, seed 1"]
    assert sum("of 3 runs)" in line for line in lines.lines) == 3
    assert all(path.stat().st_size > 100 for path in files)
    with (folder / "results.csv").open() as file:
        rows = {row["cell"]: row for row in csv.DictReader(file)}
    assert float(rows["quick-50"]["mean"]) == pytest.approx(quick.mean, rel=1e-8)
    assert (rows["quick-50"]["published_mean"], rows["quick-50"]["published_deviation"]) == ("100", "10")
    assert (rows["broken-50"]["mean"], rows["broken-50"]["failed"], rows["shown-50"]["seeds"]) == ("", "1", "0")
    with (folder / "runs.csv").open() as file:
        assert [row["failure"] for row in csv.DictReader(file)].count("") == 1


def test_folder_of_something_else_is_left_alone(whole, tmp_path):
    reproduction = Reproduction(whole, tmp_path / "here")
    reproduction.claim(reproduction.plan())
    with pytest.raises(ConfigError, match="reproduction of tiny, with the published steps; choose another --run-dir"):
        Reproduction(whole, tmp_path / "here", 0.5).claim([])
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="exists and is no reproduction"):
        Reproduction(whole, tmp_path).claim([])
    with pytest.raises(ConfigError, match="expected at least 1"):
        reproduce(reproduction, reproduction.plan(), 0)
    with _lock(tmp_path / "here"), pytest.raises(ConfigError, match="another process is at work"):
        reproduce(reproduction, reproduction.plan())

    (run, _) = reproduction.plan()
    run.folder.mkdir(parents=True)
    (run.folder / "config.json").write_text(dataclasses.replace(run.config, dtype="float64").to_json())
    with pytest.raises(ConfigError, match="made with other dtype"):
        reproduction.claim([run])
