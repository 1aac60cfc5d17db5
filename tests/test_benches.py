"""The bench scripts at sizes that say nothing about speed: they run, and say what they measured."""

import csv
import importlib.util
import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benches import (
    cgenn_scaling,
    cgenn_sides,
    cgenn_steps,
    cuda_device,
    cuda_first_use,
    cuda_flash,
    cuda_formula,
    cuda_products,
    cuda_steps,
    exp_log_accuracy,
    first_product,
    fully_connected,
    gatr_sides,
    gatr_step,
    import_time,
    inverse_residual,
    linear,
    matrix_route,
    norms,
    overhead,
    peak_memory,
    peers,
    product,
    report,
    steerable,
    timing,
    train_beside,
)
from benches.__main__ import SCRIPTS, main, run
from benches.report import Bar, Machine, Row
from benches.timing import Quantiles
from cliffnet import Algebra
from cliffnet.models import ChargedNBodyNet, ConvexHullNet, LorentzTaggingNet

ROOT = report.ROOT
TINY = gatr_sides.Size(batch=2, planets=1, mv_channels=8, scalar_channels=8, blocks=1)


def check_measured(rows):
    assert rows
    for row in rows:
        assert row.ours is not None
        assert 0 < row.ours.p20 <= row.ours.median <= row.ours.p80
        assert row.baseline
        assert row.ratio > 0


def test_quantiles():
    assert Quantiles.of([3.0]) == Quantiles(3.0, 3.0, 3.0)
    quantiles = Quantiles.of([float(value) for value in range(11)])
    assert (quantiles.p20, quantiles.median, quantiles.p80) == (2.0, 5.0, 8.0)
    assert quantiles.scaled(2.0).median == 10.0


def test_rounds_are_interleaved():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = timing.interleaved(calls, rounds=3, sample_seconds=0.0, warm_up=0)
    assert set(times) == {"a", "b"}
    assert "".join(order[-6:]) == "abbaab"


def test_product():
    rows = product.rows(size=64, formula_sizes=[16], large=1024, rounds=2, sample_seconds=0.0)
    check_measured(rows)
    assert len(rows) == 39
    assert sum(row.bar is not None for row in rows) == 23


def test_product_refuses_to_time_what_is_wrong(monkeypatch):
    monkeypatch.setattr(product.F, "geometric_product", lambda a, b, _: a * b)
    with pytest.raises(AssertionError):
        product.rows(size=8, rounds=1, sample_seconds=0.0)


def test_steerable():
    sizes = (steerable.Size(3, 5), steerable.Size(2, 16))
    rows = steerable.rows(sizes=sizes, rounds=2, sample_seconds=0.0, compiles=False, memory=False)
    check_measured(rows)
    assert len(rows) == 12
    assert sum(row.bar is not None for row in rows) == 4


def test_steerable_refuses_to_time_what_is_wrong(monkeypatch):
    monkeypatch.setattr(steerable.F, "gated_steerable_product", lambda x, y, weight, partition, epsilon: x * y)
    with pytest.raises(AssertionError):
        steerable.rows(sizes=(steerable.Size(3, 5),), rounds=1, sample_seconds=0.0, compiles=False, memory=False)


def test_norms():
    rows = norms.rows(sizes=(4,), rounds=2, sample_seconds=0.0, compiles=False)
    check_measured(rows)
    assert len(rows) == 12


def test_fully_connected():
    size = fully_connected.Size("Cl(2,0)", 2, 3, 5)
    rows = fully_connected.rows(sizes=(size,), rounds=2, sample_seconds=0.0)
    assert [row.unit for row in rows] == ["ms", "MB"]
    check_measured(rows[:1])
    # so small a step may stay within memory that was touched before
    assert rows[1].ours.median >= 0


def test_overhead():
    rows = overhead.rows(rounds=2, sample_seconds=0.0, batches=(1, 3))
    # the price of one more product is a difference, which may come out below zero from single calls
    check_measured([row for row in rows if "further" not in row.case])
    bars = [row.bar and row.bar.text(row.unit) for row in rows]
    assert bars == ["<= 2 us", "<= 7 us", None, "<= 3.5 us", ">= 1x", ">= 1x"]
    assert all(
        row.note in ("the batch of 1, where the ratio is least", "the batch of 3, where the ratio is least")
        for row in rows[4:]
    )


def test_matrix_route():
    rows = matrix_route.rows(algebras=[Algebra(3, 3), Algebra(8)], batch=4, rounds=2, sample_seconds=0.0)
    check_measured(rows)
    assert [row.bar.text(row.unit) for row in rows] == [">= 1x", ">= 1x", "<= 9 ms"]


def test_linear():
    rows = linear.rows(size=6, small=3, rounds=2, sample_seconds=0.0)
    check_measured(rows)
    assert [row.bar.text(row.unit) for row in rows if row.bar] == [">= 4x", ">= 0.625x", ">= 6x", ">= 6x"]


def test_scaling(tmp_path):
    rows = cgenn_scaling.rows(names=["CGENN n-body"], allocators=["freed memory kept"], exponents=(6, 7), rounds=1)
    assert [row.unit for row in rows] == ["", "ms"]
    check_measured(rows[1:])
    assert cgenn_scaling.exponent([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2.0)
    times = {64: Quantiles.of([0.5]), 128: Quantiles.of([1.0])}
    found = {(name, allocator): times for name in cgenn_scaling.SIDES for allocator in cgenn_scaling.ALLOCATORS}
    assert cgenn_scaling.plot(found, tmp_path / "plot.png").stat().st_size > 1000


def test_import_time():
    rows = import_time.rows(repeats=1, warm_up=0)
    check_measured(rows)
    assert rows[0].bar.at_most == 0.1


def test_first_product():
    rows = first_product.rows(signatures=((2, 0, 0), (9, 0, 0)), repeats=1, warm_up=0)
    check_measured(rows)
    assert [row.bar and row.bar.at_most for row in rows] == [50.0, None]


def test_inverse_residual():
    rows = inverse_residual.rows(size=20, larger=((3, 3, 0),))
    check_measured(rows)
    assert all(row.bar.at_most == 1e-4 for row in rows)
    assert "ill-conditioned elements left out" in rows[0].note


def test_exp_log_accuracy():
    rows = exp_log_accuracy.rows(size=3, signatures=((2, 0, 0), (1, 1, 0), (3, 0, 1)))
    assert len(rows) == 8
    assert all(row.met for row in rows)
    assert all("worst of 3 signatures" in row.case for row in rows)


def test_peers(monkeypatch):
    found = peers.rows(size=3, loop_size=2, rounds=2, sample_seconds=0.0)
    absent = [name for name in ("clifford", "kingdon", "clifra") if importlib.util.find_spec(name) is None]
    assert {row.note for row in found if row.ours is None} == {f"{name} is not installed" for name in absent}
    measured = [row for row in found if row.ours is not None]
    assert len({row.baseline for row in measured}) == 3 - len(absent)
    assert all(row.ratio > 0 for row in measured)
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert all(row.ours is None for row in peers.rows(size=3, rounds=2, sample_seconds=0.0))


@pytest.mark.parametrize("folder", ["", "no-such-folder"])
def test_gatr_step_without_the_reference(monkeypatch, folder):
    monkeypatch.setenv(gatr_sides.VARIABLE, folder)
    rows = gatr_step.rows(size=TINY)
    assert len(rows) == 4
    for row in rows:
        assert row.ours is None
        assert row.met is None
        assert "clone of the GATr repository" in row.note
        assert report.cells(row)[1] == "not measured"


def test_our_side_of_the_training_step():
    net = gatr_sides.build_ours(TINY)
    batch = gatr_sides.make_batch(TINY)
    before = gatr_sides.loss_of(net, batch).item()
    step = gatr_sides.training_step(net, batch)
    for _ in range(20):
        step()
    assert gatr_sides.loss_of(net, batch).item() < before


def test_the_published_size_is_measured():
    net = gatr_sides.build_ours(gatr_sides.Size())
    assert sum(parameter.numel() for parameter in net.parameters()) == 2_209_058
    assert gatr_sides.make_batch(gatr_sides.Size())[0].shape == (64, 4, 7)


def test_peak_memory_of_our_side():
    assert peak_memory.measure("ours", TINY, "default allocator") > 0


@pytest.mark.parametrize("folder", ["", "/nowhere/at/all"])
def test_cgenn_steps_without_the_references(monkeypatch, folder):
    for family in (cgenn_sides.CGENN, cgenn_sides.GLGENN):
        monkeypatch.setenv(family.variable, folder)
    rows = cgenn_steps.rows(size=2)
    assert len(rows) == 8
    for row in rows:
        assert row.ours is None
        assert row.bar is not None
        assert "clone of" in row.note


@pytest.mark.parametrize("name", cgenn_sides.TASKS)
def test_our_side_of_the_steps_of_cgenn(name):
    task = cgenn_sides.TASKS[name]
    net = {
        "CGENN hull": ConvexHullNet,
        "CGENN n-body": ChargedNBodyNet,
        "GLGENN hull": ConvexHullNet.glgenn,
        "Lorentz net": lambda: LorentzTaggingNet(dropout_probability=0.0),
    }[name]()
    batch = task.draw(2)
    before = task.our_loss(net, batch).item()
    step = cgenn_sides.step_of("ours", task, net, 2)
    for _ in range(4):
        step()
    assert task.our_loss(net, batch).item() < before


CPU = torch.device("cpu")
WITHOUT_DEVICE = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
CUDA_SCRIPTS = [cuda_products, cuda_formula, cuda_flash, cuda_steps, cuda_first_use]


@WITHOUT_DEVICE
@pytest.mark.parametrize("script", CUDA_SCRIPTS, ids=lambda script: script.NAME)
def test_without_a_device_nothing_is_measured(script, tmp_path, capsys):
    path = tmp_path / "figures.csv"
    assert run([script.NAME], path) == 0
    assert len(path.read_text().splitlines()) == 1
    printed = capsys.readouterr().out
    assert "not measured" in printed
    assert f"{script.NAME}: no CUDA device" in printed


def test_cuda_products():
    rows = cuda_products.rows(
        device=CPU, algebras=(Algebra(2), Algebra(3)), size=4096, count=3, matrix=8, rounds=2, sample_seconds=0.0
    )
    check_measured(rows)
    assert len(rows) == 21
    assert [row.bar.at_least_ratio for row in rows[:2]] == [0.85, 0.75]
    assert rows[-1].bar.at_least_ratio == 0.5


def test_cuda_formula():
    rows = cuda_formula.rows(
        device=CPU, lanes=5, sizes=(steerable.Size(3, 4),), compiles=False, rounds=2, sample_seconds=0.0
    )
    check_measured(rows)
    assert [row.bar.at_least_ratio for row in rows] == [3, 3, 3]


def test_cuda_flash(monkeypatch):
    options = {"device": CPU, "batches": (3,), "features": (4,), "rounds": 2, "sample_seconds": 0.0}
    rows = cuda_flash.rows(reference=cuda_flash.formula, **options)
    check_measured(rows[::2])
    assert len(rows) == 24
    assert all("peak memory" in row.case for row in rows[1::2])
    assert sum(row.bar is not None for row in rows[1::2]) == 4
    right = cuda_flash.ours
    monkeypatch.setattr(cuda_flash, "ours", lambda case: lambda *tensors: 1.1 * right(case)(*tensors))
    with pytest.raises(AssertionError):
        cuda_flash.rows(reference=cuda_flash.formula, **options)


@pytest.mark.parametrize("folder", ["", "no-such-folder"])
def test_cuda_flash_without_the_reference(monkeypatch, folder):
    monkeypatch.setenv(cuda_flash.VARIABLE, folder)
    rows = cuda_flash.rows(device=CPU)
    assert all(row.ours is None and "clone of flash-clifford" in row.note for row in rows)


def test_cuda_steps_without_the_references(monkeypatch):
    for variable in (gatr_sides.VARIABLE, cgenn_sides.CGENN.variable):
        monkeypatch.setenv(variable, "")
    rows = cuda_steps.rows(device=CPU)
    assert len(rows) == 6
    assert all(row.ours is None and "clone of" in row.note for row in rows)


def test_cuda_steps_of_two_networks(monkeypatch):
    net, batch = gatr_sides.build_ours(TINY), gatr_sides.make_batch(TINY)
    side = cuda_steps.Side(net, lambda net: gatr_sides.training_step(net, batch))

    class Refusing(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

    monkeypatch.setattr(torch, "compile", Refusing)
    rows = cuda_steps.step_rows("GATr", {"ours": side, "reference": side}, "the same", CPU, 2)
    check_measured(rows)
    assert [row.bar.at_least_ratio for row in rows] == [5, 2]
    assert "reference not compiled" in rows[1].note


def test_cuda_first_use():
    rows = cuda_first_use.rows(device=CPU, signatures=((2, 0, 0),), repeats=1)
    check_measured(rows)
    assert [row.bar.at_most for row in rows] == [500.0, 5.0]


def test_memory_is_counted_on_devices_alone():
    assert cuda_device.peak_bytes(lambda: torch.ones(3), CPU) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hulls", "glgenn-7"], "has no cell 'glgenn-7' with a run; it has glgenn-256"),
        (["hulls", "glgenn-256"], "set GLGENN_REFERENCE to a clone of katyafilimoshina/glgenn"),
    ],
)
def test_training_beside_a_reference_that_is_not_there(monkeypatch, arguments, message, capsys):
    monkeypatch.delenv("GLGENN_REFERENCE", raising=False)
    monkeypatch.setattr(train_beside, "_loaded", lambda *_: {"inputs": torch.randn(4, 16, 5), "target": torch.rand(4)})
    with pytest.raises(SystemExit):
        train_beside.main(arguments)
    assert message in " ".join(capsys.readouterr().err.split())


def test_both_sides_are_trained_alike():
    net = torch.nn.Linear(3, 1)
    data = {"inputs": torch.randn(7, 3), "target": torch.rand(7)}

    def loss(net, part):
        return (net(part["inputs"])[:, 0] - part["target"]).square().mean()

    batch = train_beside._batches(data, 2, seed=3)
    seen = torch.cat([batch(step)["target"] for step in range(4)])
    assert torch.equal(seen.sort().values, data["target"].sort().values)
    before = train_beside._mean_loss(net, loss, data)
    assert before == pytest.approx(loss(net, data).item())
    train_beside._trained(net, loss, batch, 50, 1e-2)
    assert train_beside._mean_loss(net, loss, data) < before


def test_relative_difference():
    theirs = [torch.ones(4)]
    assert gatr_step.relative_difference(theirs, theirs) == 0
    assert math.isclose(gatr_step.relative_difference([1.5 * theirs[0]], theirs), 0.5)


def test_bars():
    fast, slow = Quantiles(1.0, 1.0, 1.0), Quantiles(5.0, 5.0, 5.0)
    assert Row("n", "c", "us", fast, "b", 4.0, Bar(at_least_ratio=4)).met is True
    assert Row("n", "c", "us", slow, "b", 4.0, Bar(at_least_ratio=4)).met is False
    assert Row("n", "c", "us", slow, "b", 4.0, Bar(at_most=3)).met is False
    assert Row("n", "c", "us", fast, "b", 4.0).met is None
    assert Row("n", "c", "us", bar=Bar(at_most=3)).met is None


def _scripts():
    measured = Row("one", "small, case", "ms", Quantiles(1.0, 0.5, 2.0), "rival", 4.0, Bar(at_least_ratio=2))
    return {"one": lambda: [measured], "none": lambda: [Row("none", "case", "ms", note="set it")]}


def test_rows_are_appended_to_one_file(tmp_path, capsys):
    path = tmp_path / "figures.csv"
    for _ in range(2):
        assert run(["one", "none"], path, _scripts()) == 0
    with path.open(newline="") as file:
        entries = list(csv.DictReader(file))
    assert len(entries) == 2  # what was not measured is not recorded
    assert tuple(entries[0]) == report.COLUMNS
    assert entries[0]["case"] == "small, case"
    assert (entries[0]["ratio"], entries[0]["bar"], entries[0]["met"]) == ("4", ">= 2x", "yes")
    assert all(entries[0][name] for name in ("threads", "torch", "cliffnet", "commit", "cpu", "isa", "date"))
    printed = capsys.readouterr().out
    assert "not measured" in printed
    assert "none: set it" in printed


def test_the_table_without_rich(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    report.print_report(_scripts()["one"](), Machine.here())
    assert "one: small, case" in capsys.readouterr().out


def test_a_script_that_breaks_does_not_lose_the_others(tmp_path, capsys):
    def broken():
        raise RuntimeError("out of luck")

    path = tmp_path / "figures.csv"
    assert run(["broken", "one"], path, {"broken": broken, **_scripts()}) == 1
    assert len(path.read_text().splitlines()) == 2
    captured = capsys.readouterr()
    assert "out of luck" in captured.err
    assert "one: small, case" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prodct"], "there is no prodct"),
        (["--threads", "0"], "at least 1"),
        (["--csv", "no-such-folder/figures.csv"], "does not exist"),
        (["--csv", str(ROOT / "Cargo.toml")], "other columns"),
    ],
)
def test_bad_command_lines(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_every_script_is_described():
    text = (ROOT / "benches" / "README.md").read_text()
    assert all(f"`{name}`" in text for name in SCRIPTS)


def test_readme_shows_the_newest_recorded_run():
    from benches import readme

    for path, rows in readme.documents().items():
        assert readme.table(rows) in path.read_text()
