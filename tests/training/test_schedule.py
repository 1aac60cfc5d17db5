"""Learning rates over a run, and the weight decay of the optimiser."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from cliffnet.errors import CheckpointError, ConfigError
from cliffnet.training import DataOptions, RunConfig, Trainer, TrainOptions, warmup_cosine


def test_warm_up_plateau_and_decay():
    rates = [warmup_cosine(step, 640, 2.0, 0.5) for step in range(640)]
    assert rates[0] == 0.5
    assert rates[5] == pytest.approx(1.25)
    assert set(rates[10:481]) == {2.0}
    assert rates[560] == pytest.approx(1.25)
    assert rates[639] == pytest.approx(0.5 + 1.5 * (0.5 - 0.5 * math.cos(math.pi / 160)))
    assert all(before <= after for before, after in itertools.pairwise(rates[:11]))
    assert all(before > after for before, after in itertools.pairwise(rates[480:]))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 63, 64, 65])
def test_short_runs_have_a_learning_rate_at_every_step(steps):
    rates = [warmup_cosine(step, steps, 1.0, 1e-7) for step in range(steps)]
    assert all(1e-7 <= rate <= 1.0 for rate in rates)
    assert max(rates) == 1.0


def test_options_choose_the_schedule():
    options = TrainOptions(steps=128, lr=1e-3, schedule="warmup-cosine", lr_final=1e-7)
    assert [options.learning_rate(step) for step in (0, 50)] == [1e-7, 1e-3]
    assert dataclasses.replace(options, schedule="exponential", lr_decay=1.0).learning_rate(100) == 1e-3


@pytest.mark.parametrize(
    "wrong", [{"schedule": "linear"}, {"weight_decay": -1.0}, {"lr_final": -1e-9}, {"grad_clip": math.nan}]
)
def test_values_out_of_range_are_config_errors(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TrainOptions(**wrong)


def test_weight_decay_is_the_l2_penalty_of_adam(make_config, tmp_path):
    trainer = Trainer(make_config(weight_decay=0.1, lr=0.01, lr_decay=1.0, grad_clip=0.0, dtype="float64"), tmp_path)
    trainer.load_data()
    batch = {name: tensor[:8] for name, tensor in trainer._data["train"].items()}
    trainer.model.zero_grad()
    trainer._task.errors(trainer.model, batch)["loss"].mean().backward()
    start = {name: (weight.detach().clone(), weight.grad.clone()) for name, weight in trainer.model.named_parameters()}
    trainer._step(batch)
    for name, weight in trainer.model.named_parameters():
        before, gradient = start[name]
        penalised = gradient + 0.1 * before
        # the first step of Adam has the length of the learning rate
        torch.testing.assert_close(weight, before - 0.01 * penalised / (penalised.abs() + 1e-8))


def test_runs_of_the_first_version_are_read(make_config):
    content = json.loads(make_config().to_json())
    content["version"] = 1
    for group, names in (("train", ("schedule", "lr_final", "weight_decay")), ("data", ("dim", "points", "path"))):
        for name in names:
            del content[group][name]
    assert RunConfig.from_json(json.dumps(content)) == make_config()
    content["version"] = 3
    with pytest.raises(CheckpointError, match="its version is 3, this cliffnet reads 1 and 2"):
        RunConfig.from_json(json.dumps(content))


def test_data_options_take_defaults_and_refuse_what_the_task_has_not():
    defaults = DataOptions(dim=5, path="")
    assert DataOptions(train_samples=7).resolve("t", defaults) == DataOptions(train_samples=7, dim=5, path="")
    assert DataOptions(dim=3, path="x").resolve("t", defaults) == DataOptions(dim=3, path="x")
    with pytest.raises(ConfigError, match="task 't' has no option --points, which was given as 4"):
        DataOptions(points=4).resolve("t", defaults)
    with pytest.raises(ConfigError, match="has no option --data"):
        DataOptions(path="x").resolve("t", DataOptions())
    with pytest.raises(ConfigError, match="dim is 0"):
        DataOptions(dim=0)
