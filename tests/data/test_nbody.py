"""The gravity generator: statistics, determinism, physics, and the numbers of the reference simulator."""

import os
from pathlib import Path

import pytest
import torch

from cliffnet.data import seeded_generator
from cliffnet.data.nbody import (
    DT,
    GRAVITY_SETS,
    STEPS,
    accelerations,
    draw_systems,
    embed_bodies,
    extract_positions,
    generate_gravity,
    load_gravity,
    prediction_loss,
    prediction_losses,
    simulate,
    total_energy,
)
from cliffnet.errors import DataError, ShapeError, TaskError


@pytest.fixture(scope="module")
def systems():
    return draw_systems(4000, 3, False, seeded_generator("test systems"))


@pytest.fixture(scope="module")
def sample():
    return generate_gravity(2000, generator=seeded_generator("test sample"))


def split(inputs):
    return inputs[..., 0], inputs[..., 1:4], inputs[..., 4:7]


def star_and_planets(masses, values):
    """Separate the star (the heaviest body) from the planets."""
    order = masses.argsort(dim=1, descending=True)
    if values.dim() == 3:
        values = values.gather(1, order.unsqueeze(-1).expand_as(values))
        return values[:, :1], values[:, 1:]
    values = values.gather(1, order)
    return values[:, :1], values[:, 1:]


def test_masses_are_log_uniform_in_their_ranges(systems):
    star, planets = star_and_planets(systems[0], systems[0])
    for mass, low in ((star, 1.0), (planets, 0.01)):
        assert mass.min() >= low
        assert mass.max() <= 10 * low
        log = torch.log10(mass / low)
        assert log.mean().item() == pytest.approx(0.5, abs=0.02)
        assert log.var().item() == pytest.approx(1 / 12, abs=0.005)


def test_planets_are_uniform_in_the_annulus(systems):
    masses, positions, _ = systems
    star, planets = star_and_planets(masses, positions)
    radius = (planets - star).norm(dim=-1)
    assert radius.min() >= 0.1 - 1e-9
    assert radius.max() <= 1 + 1e-9
    assert (radius.square().mean()).item() == pytest.approx((0.01 + 1) / 2, abs=0.01)


def test_orbits_are_circular_up_to_the_noise(systems):
    masses, positions, velocities = systems
    star_mass, _ = star_and_planets(masses, masses)
    star, planets = star_and_planets(masses, positions)
    star_velocity, planet_velocity = star_and_planets(masses, velocities)
    assert torch.equal(star_velocity, torch.zeros_like(star_velocity))
    offset = planets - star
    radius = offset.norm(dim=-1)
    speed = (star_mass / radius).sqrt()
    normal = torch.linalg.cross(offset[:, 0], planet_velocity[:, 0])
    normal = (normal / normal.norm(dim=-1, keepdim=True)).unsqueeze(1)
    across = torch.linalg.cross(normal.expand_as(offset), offset / radius.unsqueeze(-1))
    noise = planet_velocity - (planet_velocity * across).sum(-1, keepdim=True).sign() * speed.unsqueeze(-1) * across
    assert noise.abs().max() < 0.01 * 8
    assert noise.std().item() == pytest.approx(0.01, rel=0.1)
    sense = (planet_velocity[:, 1:] * across[:, 1:]).sum(-1).sign()
    assert sense.mean().abs() < 0.05


def test_place_order_and_orientation_are_random(systems):
    masses, positions, _ = systems
    star, planets = star_and_planets(masses, positions)
    assert star.std(dim=0).squeeze() == pytest.approx(torch.full((3,), 20.0), rel=0.05)
    assert star.mean(dim=0).abs().max() < 1.5
    where = masses.argmax(dim=1).bincount(minlength=4) / len(masses)
    assert where == pytest.approx(torch.full((4,), 0.25), abs=0.03)
    direction = (planets - star)[:, 0]
    direction = direction / direction.norm(dim=-1, keepdim=True)
    assert (direction.T @ direction / len(direction) - torch.eye(3) / 3).abs().max() < 0.03


def test_shifted_set_is_moved_by_200_along_x():
    near = draw_systems(50, 3, False, seeded_generator("shift"))
    far = draw_systems(50, 3, True, seeded_generator("shift"))
    torch.testing.assert_close(far[1] - near[1], torch.tensor([200.0, 0, 0]).double().expand(50, 4, 3))
    assert torch.equal(far[2], near[2])


def test_samples_move_less_than_two_and_follow_the_simulator(sample):
    masses, positions, velocities = split(sample["inputs"])
    assert sample["inputs"].shape == (2000, 4, 7)
    assert sample["inputs"].dtype == sample["target"].dtype == torch.float64
    assert (sample["target"] - positions).norm(dim=-1).max() <= 2
    final = simulate(masses, positions, velocities, STEPS, DT).positions
    torch.testing.assert_close(final, sample["target"], rtol=1e-12, atol=1e-10)


def test_energy_is_roughly_conserved(sample):
    masses, positions, velocities = split(sample["inputs"])
    end = simulate(masses, positions, velocities, STEPS, DT)
    before = total_energy(masses, positions, velocities)
    after = total_energy(masses, end.positions, end.velocities)
    change = ((after - before) / before).abs()
    assert change.median() < 0.005
    assert change.quantile(0.95) < 0.1


def test_accelerations_obey_newtons_third_law_and_ignore_coincident_bodies(systems):
    masses, positions, _ = systems
    force = masses.unsqueeze(-1) * accelerations(masses, positions)
    assert force.sum(1).abs().max() < 1e-9 * force.abs().max()
    same = torch.zeros(1, 2, 3, dtype=torch.float64)
    assert torch.equal(accelerations(torch.ones(1, 2, dtype=torch.float64), same), same)


def test_simulation_commutes_with_rotation_and_translation(systems):
    masses, positions, velocities = (part[:50] for part in systems)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=seeded_generator("turn"), dtype=torch.float64)).Q
    direct = simulate(masses, positions @ turn.T + 3, velocities @ turn.T, 20, DT).positions
    after = simulate(masses, positions, velocities, 20, DT).positions @ turn.T + 3
    torch.testing.assert_close(direct, after, rtol=1e-9, atol=1e-9)


def test_generation_is_a_function_of_the_generator_and_leaves_global_state_alone():
    state = torch.get_rng_state()
    first = generate_gravity(30, generator=seeded_generator(1))
    again = generate_gravity(30, generator=seeded_generator(1))
    other = generate_gravity(30, generator=seeded_generator(2))
    assert torch.equal(first["inputs"], again["inputs"])
    assert not torch.equal(first["inputs"], other["inputs"])
    assert torch.equal(state, torch.get_rng_state())


def test_first_samples_do_not_depend_on_the_number_asked_for(sample):
    counts = []
    longer = generate_gravity(2300, generator=seeded_generator("test sample"), progress=counts.append)
    assert torch.equal(longer["inputs"][:2000], sample["inputs"])
    assert sum(counts) == 2300


def test_sets_differ_as_they_should(tmp_path):
    sets = {name: load_gravity(name, 40, seed=3, folder=tmp_path)["inputs"] for name in GRAVITY_SETS}
    assert sets["object"].shape == (40, 6, 7)
    assert sets["e3"][..., 1].mean() > 100
    assert not torch.equal(sets["val"], sets["eval"])
    assert not torch.equal(sets["val"], load_gravity("val", 40, seed=4, folder=tmp_path)["inputs"])


def test_bad_requests_are_named_errors(tmp_path):
    with pytest.raises(DataError, match="at least 1"):
        generate_gravity(0, generator=torch.Generator())
    with pytest.raises(TaskError, match=r"no n-body data set is called 'test'.*train, val, eval"):
        load_gravity("test", 10, folder=tmp_path)
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., bodies\)"):
        accelerations(torch.ones(3), torch.ones(4, 3))
    with pytest.raises(ShapeError, match="mass, position, velocity"):
        embed_bodies(torch.ones(3, 6))


def test_extraction_inverts_the_embedding_and_the_loss_is_the_mean_of_its_parts(sample):
    inputs = sample["inputs"][:20]
    multivectors = embed_bodies(inputs)
    positions, regulariser = extract_positions(multivectors, torch.full((20, 4, 1), 0.5, dtype=torch.float64))
    torch.testing.assert_close(positions, inputs[..., 1:4])
    torch.testing.assert_close(regulariser, torch.full((20,), 1.0, dtype=torch.float64))
    target = positions + 0.1
    assert prediction_loss(positions, target, regulariser).item() == pytest.approx(0.01 + 0.01)
    assert prediction_losses(positions, target, regulariser).shape == (20,)


@pytest.fixture
def golden():
    folder = os.environ.get("CLIFFNET_GOLDEN")
    path = Path(folder or ".") / "gatr" / "nbody_simulator.npz"
    if not folder or not path.exists():
        pytest.skip("CLIFFNET_GOLDEN is not set")
    numpy = pytest.importorskip("numpy")
    with numpy.load(path, allow_pickle=False) as file:
        return {key: torch.as_tensor(file[key]) for key in file.files if key != "meta"}


def test_reference_numbers_of_the_simulator(golden):
    masses, positions, velocities = split(golden["in/embed.inputs"])
    result = simulate(masses, positions, velocities, 100, 0.001, record_every=10)
    for ours, name in (
        (result.positions, "x_final"),
        (result.trajectory, "trajectory_every_10"),
        (accelerations(masses, positions), "accelerations_initial"),
        (embed_bodies(golden["in/embed.inputs"]), "embedded"),
    ):
        torch.testing.assert_close(ours, golden[f"out/{name}"], rtol=1e-12, atol=1e-12)


def test_reference_numbers_of_the_loss_and_its_gradients(golden):
    multivectors = golden["in/extract.multivectors"].requires_grad_()
    scalars = golden["in/extract.scalars"].requires_grad_()
    points, regulariser = extract_positions(multivectors, scalars)
    loss = prediction_loss(points, golden["in/target"], regulariser)
    outputs = {"points": points, "reg": regulariser, "loss": loss}
    for name, value in outputs.items():
        torch.testing.assert_close(value, golden[f"out/{name}"], rtol=1e-12, atol=1e-12)
    sum((value * golden[f"cot/{name}"]).sum() for name, value in outputs.items()).backward()
    torch.testing.assert_close(multivectors.grad, golden["grad_in/extract.multivectors"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(scalars.grad, golden["grad_in/extract.scalars"], rtol=1e-10, atol=1e-10)
