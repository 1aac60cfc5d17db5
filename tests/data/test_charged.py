"""Charged balls: physics, statistics, the published stream of random numbers, the published frames."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cliffnet.data import seeded_generator
from cliffnet.data.nbody import (
    CHARGED_SETS,
    charged_energy,
    coulomb_forces,
    draw_charged,
    generate_charged,
    load_charged,
    reflect_into_box,
    simulate_charged,
)
from cliffnet.errors import DataError, ShapeError, TaskError
from helpers.precise import assert_close

GOLDEN = Path(__file__).parents[1] / "parity" / "golden" / "cgenn" / "nbody_sim_seed43.npz"


@pytest.fixture(scope="module")
def sample():
    return generate_charged(1000)


def test_statistics_of_the_published_set(sample):
    """Table of specification section 8; the tolerances cover other systems of the same law, the tail being heavy."""
    position, velocity = sample["inputs"][..., 1:4], sample["inputs"][..., 4:]
    target = sample["target"]
    assert position.std().item() == pytest.approx(1.685, rel=0.03)
    assert target.std().item() == pytest.approx(2.096, rel=0.03)
    assert velocity.std().item() == pytest.approx(0.602, rel=0.05)
    for time, error, tolerance in ((0.0, 0.278, 0.1), (1.0, 0.112, 0.15), (0.73, 0.0856, 0.15)):
        ours = (position + time * velocity - target).square().mean().item()
        assert ours == pytest.approx(error, rel=tolerance), time
    by_system = (position + velocity - target).square().mean((1, 2))
    assert 2.5 < by_system.mean() / by_system.median() < 5


def test_initial_states_follow_their_laws():
    charges, positions, velocities = draw_charged(2000, num_balls=8, seed=1)
    assert set(charges.unique().tolist()) == {-1.0, 1.0}
    assert charges.mean().abs() < 0.03
    assert positions.std().item() == pytest.approx((8 / 5) ** (1 / 3), rel=0.02)
    assert_close(velocities.norm(dim=-1), torch.full((2000, 8), 0.5, dtype=torch.float64))
    assert velocities.mean((0, 1)).abs().max() < 0.01


def test_stream_is_the_published_one():
    with np.load(GOLDEN, allow_pickle=False) as golden:
        published = [torch.from_numpy(golden[f"in/{name}"]) for name in ("charges", "loc0", "vel0")]
    charges, positions, velocities = draw_charged(3)
    assert torch.equal(charges, published[0].squeeze(-1))
    assert torch.equal(positions, published[1].mT)
    torch.testing.assert_close(velocities, published[2].mT, rtol=1e-15, atol=1e-16)


def test_stream_is_one_sequence_of_systems():
    whole = draw_charged(6)
    rest = draw_charged(4, skip=2)
    other = draw_charged(4, seed=44)
    for all_of_them, last, strange in zip(whole, rest, other, strict=True):
        assert torch.equal(all_of_them[2:], last)
        assert not torch.equal(last, strange)


def test_forces_are_coulombs_and_clipped():
    generator = seeded_generator("forces")
    positions = torch.randn(50, 6, 3, generator=generator, dtype=torch.float64)
    charges = torch.randint(0, 2, (50, 6), generator=generator).double() * 2 - 1
    energy = charged_energy(charges, positions.requires_grad_(), torch.zeros_like(positions)).sum()
    (gradient,) = torch.autograd.grad(energy, positions)
    assert_close(coulomb_forces(charges, positions.detach()), (-gradient).clamp(-100, 100))
    close = torch.tensor([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]], dtype=torch.float64)
    assert coulomb_forces(torch.ones(2).double(), close)[:, 0].tolist() == [-100, 100]


def reference_frames(charges, positions, velocities, frames):
    """The rule of integration, step by step."""
    x, v = reflect_into_box(positions, velocities)
    v = v + 1e-3 * coulomb_forces(charges, x)
    found = {}
    for step in range(1, 100 * (max(frames) + 1) + 1):
        x = x + 1e-3 * v
        if step % 100 == 0:
            found[step // 100 - 1] = (x, v)
        v = v + 1e-3 * coulomb_forces(charges, x)
    return (torch.stack([found[frame][part] for frame in frames], 1) for part in (0, 1))


@pytest.mark.parametrize("num_balls", [2, 3, 5, 9])
def test_simulation_follows_its_rule(num_balls):
    state = draw_charged(20, num_balls=num_balls, seed=5)
    ours = simulate_charged(*state, frames=[2, 0, 1])
    assert ours.positions.shape == (20, 3, num_balls, 3)
    for mine, theirs in zip(ours, reference_frames(*state, [2, 0, 1]), strict=True):
        # rounding errors grow in close encounters
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_energy_is_roughly_conserved():
    charges, positions, velocities = draw_charged(300)
    frames = simulate_charged(charges, positions, velocities, [0, 10])
    energies = [charged_energy(charges, frames.positions[:, k], frames.velocities[:, k]) for k in (0, 1)]
    assert (energies[1] - energies[0]).abs().median() < 3e-3


def test_simulation_commutes_with_rotation():
    charges, positions, velocities = draw_charged(30, seed=3)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=seeded_generator("turn"), dtype=torch.float64)).Q
    turned = simulate_charged(charges, positions @ turn.T, velocities @ turn.T, [1]).positions
    frames = simulate_charged(charges, positions, velocities, [1]).positions @ turn.T
    difference = (turned - frames).abs().amax((1, 2, 3))
    assert difference.median() < 1e-12  # clipped forces do not commute, and few systems have any


def test_balls_outside_the_box_are_reflected():
    positions = torch.tensor([[6.0, 0.0, -5.5], [5.0, 1.0, -5.0]]).double()
    velocities = torch.tensor([[0.3, -0.1, -0.2], [0.3, 0.2, -0.1]]).double()
    where, how = reflect_into_box(positions, velocities)
    assert_close(where, torch.tensor([[4.0, 0.0, -4.5], [5.0, 1.0, -5.0]]).double())
    assert_close(how, torch.tensor([[-0.3, -0.1, 0.2], [0.3, 0.2, -0.1]]).double())
    far = torch.tensor([[[7.0, 0.0, 0.0], [0.0, 7.0, 0.0]]]).double()
    free = simulate_charged(torch.zeros(1, 2).double(), far, velocities[None], [0], reflect=False)
    assert_close(free.positions[:, 0], far + 0.1 * velocities)
    alone = simulate_charged(torch.zeros(1, 2).double(), positions[None], velocities[None], [0])
    assert_close(alone.positions[0, 0], where + 0.1 * how)


def test_sets_are_stretches_of_one_stream_cached_with_progress(tmp_path):
    counts = []
    first = load_charged("eval", 7, folder=tmp_path, progress=counts.append)
    again = load_charged("eval", 7, folder=tmp_path, progress=counts.append)
    assert sum(counts) == 7
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert torch.equal(first["inputs"], generate_charged(7, skip=CHARGED_SETS["eval"].start)["inputs"])
    assert load_charged("val", 3, num_balls=4, seed=1, folder=tmp_path)["inputs"].shape == (3, 4, 7)


def test_bad_requests_are_named_errors(tmp_path):
    with pytest.raises(TaskError, match=r"no n-body data set is called 'test'.*train, val, eval"):
        load_charged("test", 1, folder=tmp_path)
    with pytest.raises(DataError, match="asked for 2001 systems; the validation set of charged balls has 2000"):
        load_charged("val", 2001, folder=tmp_path)
    with pytest.raises(DataError, match="two balls"):
        generate_charged(3, num_balls=1)
    with pytest.raises(DataError, match="seed in"):
        generate_charged(3, seed=-1)
    with pytest.raises(DataError, match="behind -1 others"):
        draw_charged(3, skip=-1)
    state = draw_charged(1)
    with pytest.raises(DataError, match="give at least one"):
        simulate_charged(*state, frames=[])
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., balls\)"):
        simulate_charged(state[0], state[1][..., :2], state[2], frames=[0])
    with pytest.raises(ShapeError, match=r"expected \(systems, balls\)"):
        simulate_charged(*(part[0] for part in state), frames=[0])
