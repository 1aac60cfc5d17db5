"""What a run leaves behind, and what it refuses."""

import json
import math

import pytest
import torch
from torch import nn

from cliffnet.data import load_tensors
from cliffnet.errors import CheckpointError, CliffnetWarning, ConfigError, DeviceError, TaskError
from cliffnet.training import (
    ModelOptions,
    RunConfig,
    Trainer,
    TrainOptions,
    choose_device,
    evaluate,
    evaluate_run,
    get_task,
    read_config,
    read_metrics,
    resume_run,
    start_run,
)
from cliffnet.training._trainer import BatchOrder


@pytest.fixture
def finished(tmp_path, make_config):
    start_run(make_config(), tmp_path / "run")
    return tmp_path / "run"


def test_run_leaves_a_table_curves_and_pictures(finished, make_config):
    rows = read_metrics(finished)
    assert [row["step"] for row in rows if row["set"] == "val"] == ["0", "5", "10", "12"]
    assert [row["step"] for row in rows if row["set"] == "train"] == ["2", "4", "6", "8", "10", "12"]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    for name in ("learning_curves.png", "trajectories.png"):
        assert (finished / "plots" / name).read_bytes().startswith(b"\x89PNG\r\n")
    results = json.loads((finished / "results.json").read_text())
    assert set(results["sets"]) == {"eval", "e3", "object"}
    assert results["sets"]["eval"]["rmse"] == pytest.approx(math.sqrt(results["sets"]["eval"]["mse"]))
    config = read_config(finished)
    assert config == make_config()
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["step-00000008", "step-00000012"]


def test_tensorboard_has_the_same_numbers(finished):
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    written = [(event.step, event.value) for event in events.Scalars("val/loss")]
    rows = [(int(row["step"]), float(row["loss"])) for row in read_metrics(finished) if row["set"] == "val"]
    assert [step for step, _ in written] == [step for step, _ in rows]
    assert [value for _, value in written] == pytest.approx([value for _, value in rows], rel=1e-6)


def test_best_weights_are_a_copy_of_the_lowest_validation(tmp_path, make_config):
    start_run(make_config(lr=0.5, lr_decay=1.0, seed=3), tmp_path / "run")  # bounces about
    losses = {int(row["step"]): float(row["loss"]) for row in read_metrics(tmp_path / "run") if row["set"] == "val"}
    best = min(losses, key=losses.get)
    weights, metadata = load_tensors(tmp_path / "run" / "best.safetensors")
    assert int(metadata["step"]) == best
    assert float(metadata["loss"]) == pytest.approx(losses[best], rel=1e-8)
    trainer = Trainer(read_config(tmp_path / "run"), tmp_path / "run")
    trainer.load_data()
    trainer.model.load_state_dict(weights)
    again = evaluate(get_task("nbody-gravity"), trainer.model, trainer._data["val"])
    assert again["loss"] == pytest.approx(losses[best], rel=1e-6)


def test_mlp_has_no_result_for_another_number_of_planets(tmp_path, make_config):
    results = start_run(make_config("mlp"), tmp_path / "run")
    assert results.sets["object"] is None
    assert results.sets["eval"]["mse"] > 0
    assert evaluate_run(tmp_path / "run", ["eval"]).sets.keys() == {"eval"}
    with pytest.raises(TaskError, match=r"Did you mean e3\?"):
        evaluate_run(tmp_path / "run", ["e33"])


def test_results_are_returned_even_if_they_cannot_be_written(finished, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.warns(CliffnetWarning, match="could not be written"):
        results = evaluate_run(finished)
    assert results.sets["eval"]["mse"] > 0
    assert results.plots == []


def test_existing_run_is_refused_and_replaced_only_when_asked(finished, make_config):
    before = (finished / "best.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"exists.*--resume.*--overwrite"):
        start_run(make_config(seed=1), finished)
    assert (finished / "best.safetensors").read_bytes() == before
    start_run(make_config(seed=1), finished, overwrite=True)
    assert (finished / "best.safetensors").read_bytes() != before


def test_overwrite_removes_nothing_but_runs(tmp_path, make_config):
    precious = tmp_path / "thesis" / "chapter.tex"
    precious.parent.mkdir()
    precious.write_text("important")
    with pytest.raises(ConfigError, match="replaces only runs"):
        start_run(make_config(), precious.parent, overwrite=True)
    with pytest.raises(CheckpointError, match="not a folder"):
        start_run(make_config(), precious, overwrite=True)
    with pytest.raises(CheckpointError, match="no run folder can be made"):
        start_run(make_config(), precious / "runs" / "x")
    assert precious.read_text() == "important"


def drop_checkpoints(folder):
    for path in (folder / "checkpoints").rglob("*.*"):
        path.unlink()
    for path in (folder / "checkpoints").iterdir():
        path.rmdir()


def damage_newest_weights(folder):
    path = folder / "checkpoints" / "step-00000012" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-3])


def change_model(folder):
    content = json.loads((folder / "config.json").read_text())
    content["model_options"]["channels"] = 32
    (folder / "config.json").write_text(json.dumps(content))


def forget_format(folder):
    (folder / "config.json").write_text('{"task": "nbody-gravity"}')


def drop_config(folder):
    (folder / "config.json").unlink()


def foreign_state(folder):
    (folder / "checkpoints" / "step-00000012" / "state.json").write_text('{"epoch": 3}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_checkpoints, "has no checkpoint"),
        (damage_newest_weights, r"cannot be used.*remove .* to go on from step-00000008"),
        (change_model, "belong to another model: 1[0-9] of another shape"),
        (forget_format, "is not the configuration of a cliffnet run"),
        (drop_config, "is not a run folder"),
        (foreign_state, "cannot be used"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_unusable_checkpoint_is_refused(finished, damage, message):
    damage(finished)
    with pytest.raises(CheckpointError, match=message):
        resume_run(finished)


def test_unusable_best_weights_are_refused(finished):
    path = finished / "best.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(CheckpointError, match="best weights cannot be used"):
        evaluate_run(finished)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"has no best\.safetensors"):
        evaluate_run(finished)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "nbody-gravty"}, TaskError, r"Did you mean nbody-gravity"),
        ({"model": "gater"}, TaskError, r"Did you mean gatr\?.*Known: gatr, transformer, mlp"),
        ({"model_options": ModelOptions(scalars=3)}, ConfigError, "has no option --scalars; it has --channels"),
        ({"model_options": ModelOptions(channels=10, heads=4)}, ConfigError, "cannot be split among 4 heads"),
        ({"device": "cuda:99"}, DeviceError, "device 'cuda:99' cannot be used here"),
        ({"device": "gpu"}, DeviceError, "device 'gpu' cannot be used here"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path, change, error, message):
    options = {"task": "nbody-gravity", "model": "transformer"} | change
    with pytest.raises(error, match=message):
        start_run(RunConfig(**options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{"steps": 0}, {"lr": -1.0}, {"batch_size": -3}, {"ema": 1.0}, {"lr": math.nan}])
def test_values_out_of_range_are_config_errors(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        TrainOptions(**options)


def test_configuration_survives_json(make_config):
    config = make_config("gatr", ema=0.5)
    assert RunConfig.from_json(config.to_json()) == config


def test_learning_rate_decays_to_a_hundredth():
    options = TrainOptions(steps=1000)
    assert options.learning_rate(0) == 3e-4
    assert options.learning_rate(500) == pytest.approx(3e-5)
    assert options.learning_rate(1000) == pytest.approx(3e-6)


def test_batches_cover_each_epoch_once_in_an_order_of_their_own():
    order = BatchOrder(50, 16, seed=1)
    epochs = [torch.cat([order[4 * epoch + place] for place in range(4)]) for epoch in range(2)]
    assert all(sorted(epoch.tolist()) == list(range(50)) for epoch in epochs)
    assert not torch.equal(*epochs)
    assert torch.equal(BatchOrder(50, 16, seed=1)[5], order[5])
    assert not torch.equal(BatchOrder(50, 16, seed=2)[5], order[5])
    assert len(BatchOrder(3, 16, seed=0)[7]) == 3


def test_published_sizes():
    task = get_task("nbody-gravity")
    counts = {
        name: sum(parameter.numel() for parameter in task.build(name, options, task.data).parameters())
        for name, options in task.models.items()
    }
    assert counts["gatr"] == 2_209_058
    assert RunConfig("nbody-gravity", "gatr").data.train_samples == 100_000


def test_auto_device_is_there():
    assert isinstance(choose_device("auto"), torch.device)


def test_evaluation_leaves_the_mode_of_the_model(make_config, tmp_path):
    trainer = Trainer(make_config(), tmp_path)
    trainer.load_data()
    trainer.model.train()
    assert evaluate(get_task("nbody-gravity"), trainer.model, trainer._data["val"])["loss"] > 0
    assert isinstance(trainer.model, nn.Module)
    assert trainer.model.training
