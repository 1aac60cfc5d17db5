"""Every task with every model: published sizes, losses that fall, symmetries of the models as built, plots."""

import dataclasses

import pytest
import torch

from cliffnet.data import boost
from cliffnet.errors import ConfigError, DataError, TaskError
from cliffnet.training import DataOptions, ModelOptions, RunConfig, get_task, start_run, task_names

GENERATED = [name for name in task_names() if name not in ("nbody-gravity", "top-tagging")]
PAIRS = [(name, model) for name in GENERATED for model in get_task(name).models]
PUBLISHED = {
    ("nbody-charged", "cgenn"): 134_625,
    ("nbody-charged", "egnn"): 134_020,
    ("signed-volume", "cgenn"): 48_913,
    ("o5-regression", "cgenn"): 344_077,
    ("o5-regression", "glgenn"): 343_389,
    ("hulls", "cgenn"): 58_849,
    ("hulls", "glgenn"): 24_129,
    ("top-tagging", "cgenn"): 320_594,
    ("top-tagging", "cgenn-gpmlp"): 259_018,
}


def small_data(task, **changes):
    return dataclasses.replace(task.data, train_samples=40, val_samples=16, eval_samples=16, **changes)


def small_model(task, model, **changes):
    sizes = {"channels": 8, "scalars": 8, "blocks": 2, "heads": 2}
    own = {key for key, value in vars(task.models[model]).items() if value is not None}
    return ModelOptions(**{key: value for key, value in sizes.items() if key in own} | changes)


@pytest.mark.parametrize(("name", "model"), PUBLISHED)
def test_published_sizes(name, model):
    task = get_task(name)
    net = task.build(model, task.models[model], task.data)
    assert sum(parameter.numel() for parameter in net.parameters()) == PUBLISHED[name, model]


@pytest.mark.parametrize("name", task_names())
def test_every_model_has_a_recipe_that_starts_and_ends_sensibly(name):
    task = get_task(name)
    assert task.name == name
    assert task.recipes.keys() == task.models.keys()
    for options in task.recipes.values():
        rates = [options.learning_rate(step) for step in range(0, options.steps, options.steps // 50)]
        assert max(rates) == options.lr
        assert min(rates) >= 0
    with pytest.raises(TaskError, match="no model called 'gnn'"):
        task.build("gnn", next(iter(task.models.values())), task.data)


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_training_lowers_the_loss(name, model):
    task = get_task(name)
    options = small_data(task)
    data = {key: tensor.float() for key, tensor in task.load("train", options).items()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = task.build(model, small_model(task, model), options)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        errors = task.errors(net, data)
        assert errors["loss"].shape == (40,)
        loss = errors["loss"].mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert min(losses[6:]) < 0.97 * losses[0]
    assert task.metrics({key: values.double() for key, values in errors.items()}).keys() == set(task.metric_names)


def isometry(dim):
    return torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64)).Q


@pytest.mark.parametrize(
    ("name", "model", "symmetric"),
    [
        *((name, model, True) for name in ("o5-regression", "o7-regression", "hulls") for model in ("cgenn", "glgenn")),
        ("hulls", "egnn", True),
        ("hulls", "mlp", False),
        ("signed-volume", "cgenn", True),
        ("nbody-charged", "cgenn", True),
        ("nbody-charged", "glgenn", True),
        ("nbody-charged", "egnn", True),
        ("nbody-charged", "transformer", False),
        ("nbody-charged", "linear", True),
        ("lorentz-invariants", "cgenn", True),
        ("lorentz-invariants", "glgenn", True),
        ("lorentz-invariants", "mlp", False),
    ],
)
def test_errors_do_not_see_where_a_sample_is_seen_from(name, model, symmetric):
    """Transform inputs, and targets as they should be; equivariant models make the same errors as before."""
    task = get_task(name)
    options = small_data(task)
    data = dict(task.load("val", options))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = task.build(model, small_model(task, model), options).double()
        turn = isometry(data["inputs"].shape[-1] if name != "nbody-charged" else 3)
    before = task.errors(net, data)["loss"]
    if name == "lorentz-invariants":
        data["inputs"] = boost(data["inputs"], torch.tensor([0.5, -0.3, 0.4], dtype=torch.float64))
    elif name == "nbody-charged":
        charge, position, velocity = data["inputs"].split([1, 3, 3], -1)
        data["inputs"] = torch.cat([charge, position @ turn.T + 2, velocity @ turn.T], -1)
        data["target"] = data["target"] @ turn.T + 2
    else:
        data["inputs"] = data["inputs"] @ turn.T
        if name == "signed-volume":
            data["target"] = data["target"] * torch.linalg.det(turn)
    after = task.errors(net, data)["loss"]
    close = torch.allclose(after, before, rtol=1e-9, atol=1e-9)
    assert close if symmetric else not close


def test_regression_is_standardised_by_the_training_set_and_judged_on_the_target_itself():
    task = get_task("o5-regression")
    sets = {name: task.load(name, small_data(task)) for name in ("train", "eval")}
    train = sets["train"]
    torch.testing.assert_close(train["inputs"].square().mean((0, 2)), torch.ones(2, dtype=torch.float64))
    assert train["target_mean"][0].item() == pytest.approx(train["target"].mean().item())
    assert torch.equal(sets["eval"]["target_std"], train["target_std"][:16])

    def nothing(inputs):
        return inputs.new_zeros(len(inputs))

    error = task.errors(nothing, train)["loss"].mean().item()
    assert error == pytest.approx(train["target"].var(correction=0).item())


def test_number_of_points_dimensions_and_balls_are_options():
    hulls, charged = get_task("hulls"), get_task("nbody-charged")
    options = small_data(hulls, dim=3, points=7)
    data = hulls.load("val", options)
    assert data["inputs"].shape == (16, 7, 3)
    for model in hulls.models:
        assert (
            hulls.errors(hulls.build(model, small_model(hulls, model), options).double(), data)["loss"].isfinite().all()
        )
    options = small_data(charged, points=3)
    data = charged.load("val", options)
    assert data["inputs"].shape == (16, 3, 7)
    for model in charged.models:
        net = charged.build(model, small_model(charged, model), options).double()
        assert charged.errors(net, data)["loss"].isfinite().all()


def test_options_that_were_not_resolved_are_refused():
    task = get_task("hulls")
    with pytest.raises(ConfigError, match="resolve the options"):
        task.build("mlp", task.models["mlp"], DataOptions())


@pytest.mark.parametrize(
    ("name", "model", "plot"),
    [("nbody-charged", "linear", "trajectories"), ("lorentz-invariants", "mlp", "predictions")],
)
def test_a_run_leaves_metrics_and_pictures(tmp_path, name, model, plot):
    task = get_task(name)
    train = dataclasses.replace(task.recipes[model], steps=4, validate_every=2)
    config = RunConfig(name, model, small_model(task, model), small_data(task), train)
    results = start_run(config, tmp_path / "run")
    assert results.sets.keys() == task.eval_sets.keys()
    assert (tmp_path / "run" / "plots" / f"{plot}.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_jets_must_be_somewhere(tmp_path):
    with pytest.raises(DataError, match=r"jets are not generated.*--data.*2603256"):
        start_run(RunConfig("top-tagging", "cgenn"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
