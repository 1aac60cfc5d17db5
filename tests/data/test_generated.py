"""Signed volumes, regression in R^n, hulls, Lorentz invariants: statistics, invariance, streams, refusals."""

import math
import sys

import pytest
import torch

from cliffnet.data import (
    LORENTZ_SETS,
    boost,
    load_hulls,
    load_lorentz_invariants,
    load_regression,
    load_signed_volumes,
    lorentz_target,
    measure_hulls,
    minkowski_product,
    regression_statistics,
    regression_target,
    seeded_generator,
    signed_volumes,
)
from cliffnet.errors import DataError, MissingDependencyError, ShapeError, TaskError
from helpers.precise import assert_close

LOADERS = {
    "signed-volume": load_signed_volumes,
    "regression": load_regression,
    "hulls": load_hulls,
    "lorentz": load_lorentz_invariants,
}


def quantiles(values):
    return values.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)).tolist()


def isometry(dim, *parts):
    return torch.linalg.qr(torch.randn(dim, dim, generator=seeded_generator(*parts), dtype=torch.float64)).Q


def test_statistics_of_signed_volumes(tmp_path):
    target = load_signed_volumes("train", 20_000, folder=tmp_path)["target"]
    assert target.mean().abs() < 0.01
    assert target.std().item() == pytest.approx(math.sqrt(6) / 10, rel=0.04)
    assert target.abs().mean().item() == pytest.approx(0.1595, rel=0.03)


@pytest.mark.parametrize(
    ("dim", "mean", "std", "places"),
    [(5, -5.708, 6.195, (-17.74, -3.895, 0.209)), (7, -9.755, 8.321, (-25.93, -7.554, -1.057))],
)
def test_statistics_of_the_regression(tmp_path, dim, mean, std, places):
    target = load_regression("val", 20_000, dim=dim, folder=tmp_path)["target"]
    assert target.mean().item() == pytest.approx(mean, abs=4 * std / math.sqrt(20_000))
    assert target.std().item() == pytest.approx(std, rel=0.03)
    assert quantiles(target) == pytest.approx(places, rel=0.04, abs=0.08)


@pytest.mark.parametrize(
    ("dim", "points", "samples", "mean", "std", "places"),
    [
        (5, 16, 2000, 11.34, 5.27, (4.56, 10.41, 21.24)),
        (5, 8, 3000, 0.995, 0.846, (0.168, 0.761, 2.645)),
        (7, 16, 400, 4.19, 2.59, (1.35, 3.79, 8.94)),
    ],
)
def test_statistics_of_hulls(tmp_path, dim, points, samples, mean, std, places):
    target = load_hulls("train", samples, dim=dim, points=points, folder=tmp_path)["target"]
    assert target.mean().item() == pytest.approx(mean, abs=4 * std / math.sqrt(samples))
    assert target.std().item() == pytest.approx(std, rel=0.15)
    assert quantiles(target) == pytest.approx(places, rel=0.2)


def test_invariances_of_the_targets():
    generator = seeded_generator("invariances")
    vectors = torch.randn(40, 3, 3, generator=generator, dtype=torch.float64)
    turn = isometry(3, "turn")
    assert_close(signed_volumes(vectors @ turn.T), signed_volumes(vectors) * torch.linalg.det(turn))
    pairs = torch.randn(40, 2, 6, generator=generator, dtype=torch.float64)
    assert_close(regression_target(pairs @ isometry(6, "six").T), regression_target(pairs))
    clouds = torch.randn(10, 9, 4, generator=generator, dtype=torch.float64)
    moved = clouds[:, torch.randperm(9, generator=generator)] @ isometry(4, "four").T + 3
    assert_close(measure_hulls(moved).volumes, measure_hulls(clouds).volumes)


def test_boosts_keep_the_invariants(tmp_path):
    events = load_lorentz_invariants("val", 500, folder=tmp_path)["inputs"]
    direction = torch.randn(500, 1, 3, generator=seeded_generator("boosts"), dtype=torch.float64)
    velocity = 0.9 * direction / direction.norm(dim=-1, keepdim=True)
    moved = boost(events, velocity)
    assert ((moved - events).abs().amax((1, 2)) > 0.5).all()
    masses = [minkowski_product(x, x).sqrt() for x in (events, moved)]
    assert_close(masses[1], masses[0])
    assert_close(lorentz_target(moved), lorentz_target(events))
    assert_close(boost(moved, -velocity), events)
    at_rest, velocity, expected = (
        torch.tensor(values, dtype=torch.float64)
        for values in ([2.0, 0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [2.5, 1.5, 0.0, 0.0])
    )
    assert_close(boost(at_rest, velocity), expected)


def test_events_have_the_masses_and_speeds_they_should(tmp_path):
    sets = {name: load_lorentz_invariants(name, 4000, folder=tmp_path) for name in LORENTZ_SETS}
    for name, data in sets.items():
        mass = minkowski_product(data["inputs"], data["inputs"]).sqrt()
        assert mass.min() > 0.5 - 1e-6
        assert mass.max() < 2 + 1e-6
        assert mass.log().mean().abs() < 0.02
        assert data["target"].isfinite().all()
        same_law = sets["train"]["target"]
        assert data["target"].mean().item() == pytest.approx(same_law.mean().item(), abs=0.1), name
        assert data["target"].std().item() == pytest.approx(same_law.std().item(), rel=0.06), name
    energy = {name: data["inputs"][..., 0].mean() for name, data in sets.items()}
    assert energy["boosted"] > 4 * energy["eval"]


def test_target_of_the_regression_by_hand():
    first, second = torch.tensor([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]], dtype=torch.float64)
    assert regression_target(torch.stack([first, second])).item() == pytest.approx(math.sin(5) - 4)
    assert regression_target(torch.stack([first, first])).item() == pytest.approx(math.sin(5) - 62.5 + 1)


def test_statistics_standardise_the_training_set():
    generator = seeded_generator("standard")
    vectors = torch.randn(300, 2, 5, generator=generator, dtype=torch.float64) * torch.tensor([[2.0], [5.0]])
    target = regression_target(vectors)
    scale, mean, std = regression_statistics(vectors, target)
    assert_close((vectors / scale[:, None]).square().mean((0, 2)), torch.ones(2, dtype=torch.float64))
    standard = (target - mean) / std
    assert standard.mean().abs() < 1e-12
    assert standard.square().mean().item() == pytest.approx(1)
    with pytest.raises(DataError, match="give at least 2"):
        regression_statistics(vectors[:1], target[:1])


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_sets_have_streams_of_their_own_and_grow_at_the_end(tmp_path, load):
    first = load("train", 30, folder=tmp_path)
    assert first["inputs"].dtype == first["target"].dtype == torch.float64
    assert first["target"].shape == (30,)
    assert torch.equal(load("train", 1100, folder=tmp_path)["inputs"][:30], first["inputs"])
    assert torch.equal(load("train", 30, folder=tmp_path / "elsewhere")["inputs"], first["inputs"])
    for other in (load("val", 30, folder=tmp_path), load("train", 30, seed=1, folder=tmp_path)):
        assert not torch.equal(other["inputs"], first["inputs"])
    with pytest.raises(TaskError, match="no data set called 'test'; there are train, val, eval"):
        load("test", 3, folder=tmp_path)
    with pytest.raises(DataError, match="asked for 0 samples"):
        load("train", 0, folder=tmp_path)


def test_shapes_that_do_not_fit_are_refused():
    for function, shape, message in (
        (signed_volumes, (4, 2, 3), "n vectors in n dimensions"),
        (regression_target, (4, 3, 5), "two vectors"),
        (lorentz_target, (4, 3, 4), "four of"),
        (measure_hulls, (9, 3), "samples, points, n"),
    ):
        with pytest.raises(ShapeError, match=message):
            function(torch.ones(shape))
    with pytest.raises(DataError, match="0 dimensions"):
        load_regression("train", 3, dim=0)


def test_degenerate_hulls_are_refused(tmp_path):
    generator = seeded_generator("degenerate")
    clouds = torch.randn(3, 8, 3, generator=generator)
    flat, coincident, lost = clouds.clone(), clouds.clone(), clouds.clone()
    flat[1, :, 2] = 0
    coincident[2] = 1.0
    lost[0, 3, 1] = float("nan")
    for cloud, sample in ((flat, 1), (coincident, 2), (lost, 0)):
        with pytest.raises(DataError, match=f"hull of sample {sample} has no volume"):
            measure_hulls(cloud)
    with pytest.raises(DataError, match=r"5 points in R\^5 have no hull with a volume"):
        load_hulls("train", 3, dim=5, points=5, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_hulls_report_progress_and_need_scipy(tmp_path, monkeypatch):
    counts = []
    load_hulls("val", 300, dim=2, points=4, folder=tmp_path, progress=counts.append)
    assert counts == [128, 128, 44]
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cliffnet\[data\]"'):
        load_hulls("val", 301, dim=2, points=4, folder=tmp_path)
