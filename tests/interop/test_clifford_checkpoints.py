"""Checkpoints of CGENN and GLGENN: buffers of the algebra, defaults of the constructors, and wrong requests."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cliffnet.errors import ConfigError, StateDictError
from cliffnet.interop import load_reference
from helpers.precise import assert_close

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"


def _read(family, name):
    with np.load(GOLDEN / family / f"{name}.npz", allow_pickle=False) as archive:
        meta = json.loads(str(archive["meta"]))
        groups = {
            group: {key.removeprefix(f"{group}/"): archive[key] for key in archive.files if key.startswith(f"{group}/")}
            for group in ("param", "in", "out")
        }
    return {**meta["config"], "metric": meta["metric"]}, groups


def test_tables_of_the_algebra_are_dropped():
    config, groups = _read("cgenn", "cemlp_ppp")
    tables = {"algebra.metric": np.ones(3), "layers.0.1.algebra.cayley": np.zeros((8, 8, 8))}
    net = load_reference("cgenn", "CEMLP", config, {**groups["param"], **tables})
    y = net(torch.tensor(groups["in"]["x"]))
    assert_close(y, torch.tensor(groups["out"]["y"]))
    assert not any("algebra" in name for name in net.state_dict())


def test_classes_with_an_algebra_of_their_own_need_no_metric():
    config, groups = _read("cgenn", "o3_cgmlp")
    del config["metric"]
    net = load_reference("cgenn", "models.o3_cgmlp.O3CGMLP", config, groups["param"])
    y = net(torch.tensor(groups["in"]["points"]))
    assert_close(y, torch.tensor(groups["out"]["pred"]))


def test_faults_are_on_in_loaded_networks():
    config, groups = _read("cgenn", "lorentz_fc_train")
    del config["mode"]
    net = load_reference("cgenn", "LorentzCGGNN", config, groups["param"])
    assert net.compatibility.padding_counts
    assert net.compatibility.invariants_of_old_features


def test_either_readout_of_the_network_that_has_two():
    config, groups = _read("glgenn", "on_glgmlp_n4")
    nets = [load_reference("glgenn", "OnGLGMLP", {**config, "if_mlp": flag}, groups["param"]) for flag in (True, False)]
    assert [len(net.readout) for net in nets] == [5, 1]
    assert torch.equal(nets[1].readout[0].weight, torch.tensor(groups["param"]["no_mlp.weight"]))


@pytest.mark.parametrize(
    ("source", "name", "config", "message"),
    [
        ("cgenn", "QTLinear", {}, "no supported class"),
        ("cgenn", "MVLinear", {"in_features": 1, "out_features": 1}, r"metric=\[1, 1, 1\]"),
        ("cgenn", "MVLinear", {"metric": [1], "in_features": 1}, "needs out_features"),
        ("cgenn", "MVLinear", {"metric": [1], "in_feature": 1, "out_features": 1}, "did you mean 'in_features'"),
        ("cgenn", "MVLinear", {"metric": "ppp", "in_features": 1, "out_features": 1}, "squares of the generators"),
        ("cgenn", "MVSiLU", {"metric": [1], "channels": 1, "invariant": "mag"}, "known are mag2, norm"),
        ("cgenn", "NBodyCGGNN", {"in_features": 4}, "in_features=3 only"),
        ("cgenn", "LorentzCGGNN", {"use_invariant_network": False}, "use_invariant_network=True only"),
        ("glgenn", "ConvexHullGLGMLP", {"n": 4, "metric": [1, 1]}, "the metric has 2 entries"),
        ("glgenn", "OnGLGMLP", {}, "metric="),
    ],
)
def test_wrong_requests_are_named(source, name, config, message):
    with pytest.raises(ConfigError, match=message):
        load_reference(source, name, config, {})


def test_everything_that_does_not_fit_is_listed_at_once():
    config, groups = _read("glgenn", "qtgp_zppp")
    state = dict(groups["param"])
    state["weight"] = state["weight"][:, :5]
    state["extra"] = np.zeros(3)
    del state["normalization.a"]
    with pytest.raises(StateDictError) as error:
        load_reference("glgenn", "QTGeometricProduct", config, state)
    for part in ("missing normalization.a (3, 4)", "misshapen weight: (3, 5), expected (3, 29)", "unexpected extra"):
        assert part in str(error.value)
