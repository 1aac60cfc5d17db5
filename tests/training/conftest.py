"""Small runs that take a fraction of a second."""

import dataclasses

import pytest
import torch

from cliffnet.training import DataOptions, ModelOptions, RunConfig, TrainOptions

SMALL = RunConfig(
    task="nbody-gravity",
    model="transformer",
    model_options=ModelOptions(channels=16, blocks=1, heads=2),
    data=DataOptions(train_samples=50, val_samples=20, eval_samples=20),
    train=TrainOptions(steps=12, batch_size=16, validate_every=5, checkpoint_every=4, log_every=2),
)


@pytest.fixture(autouse=True)
def _one_thread_and_a_shared_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cliffnet-cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_config():
    """Return a function that gives the small run with some options changed."""

    def change(model="transformer", dtype="float32", data=None, **train):
        options = SMALL.model_options if model == "transformer" else ModelOptions()
        if model == "gatr":
            options = ModelOptions(channels=2, scalars=4, blocks=1, heads=2)
        return dataclasses.replace(
            SMALL,
            model=model,
            dtype=dtype,
            model_options=options,
            data=dataclasses.replace(SMALL.data, **(data or {})),
            train=dataclasses.replace(SMALL.train, **train),
        )

    return change
