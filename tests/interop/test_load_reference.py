import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cliffnet.errors import ConfigError, StateDictError
from cliffnet.interop import load_reference

GOLDEN = Path(__file__).parents[1] / "parity" / "golden" / "gatr"


def _read(name):
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        meta = json.loads(str(archive["meta"]))
        state = {key.removeprefix("param/"): archive[key] for key in archive.files if key.startswith("param/")}
        inputs = {
            key.removeprefix("in/"): torch.from_numpy(archive[key]) for key in archive.files if key.startswith("in/")
        }
        outputs = {
            key.removeprefix("out/"): torch.from_numpy(archive[key]) for key in archive.files if key.startswith("out/")
        }
    return meta, state, inputs, outputs


@pytest.mark.parametrize("name", ["EquiLinear", "layers.EquiLinear", "gatr.layers.linear.EquiLinear"])
def test_bare_and_dotted_names_arrays_and_tensors(name):
    meta, state, inputs, outputs = _read("equi_linear_scalars")
    for values in (state, {key: torch.from_numpy(value) for key, value in state.items()}):
        layer = load_reference("gatr", name, meta["config"], values)
        assert layer.weight.dtype == torch.float64
        y, s = layer(inputs["multivectors"], inputs["scalars"])
        assert torch.allclose(y, outputs["multivectors"])
        assert torch.allclose(s, outputs["scalars"])


def test_scalars_may_be_missing_as_in_the_reference():
    meta, state, inputs, _ = _read("equi_linear_scalars")
    layer = load_reference("gatr", "EquiLinear", meta["config"], state)
    assert layer(inputs["multivectors"])[0].shape[-2] == meta["config"]["out_mv_channels"]


def test_everything_that_does_not_fit_is_listed_at_once():
    meta, state, _, _ = _read("equi_linear_scalars")
    state["weight"] = state["weight"][..., :5]
    state["extra"] = np.zeros(3)
    del state["s2s.weight"]
    with pytest.raises(StateDictError) as error:
        load_reference("gatr", "EquiLinear", meta["config"], state)
    for part in ("missing s2s.weight (6, 5)", "misshapen weight: (4, 3, 5), expected (4, 3, 9)", "unexpected extra"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("source", "name", "config", "message"),
    [
        ("lorentz", "EquiLinear", {}, "supported are gatr"),
        ("gatr", "EquiLayerNorm", {}, "supported are EquiLinear"),
        ("gatr", "EquiLinear", {"in_mv_channels": 2}, "needs out_mv_channels"),
        ("gatr", "EquiLinear", {"in_mv_channel": 2}, "did you mean 'in_mv_channels'"),
        ("gatr", "GATr", {"attention": {"num_head": 2}}, "did you mean 'num_heads'"),
        ("gatr", "SelfAttention", {"in_mv_channels": 4, "out_mv_channels": 4, "hidden_mv_channels": 9}, "derives 1"),
        ("gatr", "CrossAttention", {"in_mv_channels": 4, "out_mv_channels": 4}, "in_q_mv_channels"),
    ],
)
def test_wrong_requests_are_named(source, name, config, message):
    with pytest.raises(ConfigError, match=message):
        load_reference(source, name, config, {})


def test_network_checkpoint_round_trips_through_our_own_state_dict():
    meta, state, inputs, outputs = _read("self_attention_rope_mask_addqk")
    first = load_reference("gatr", meta["class"], meta["config"], state)
    second = load_reference("gatr", meta["class"], meta["config"], {k: np.zeros_like(v) for k, v in state.items()})
    second.load_state_dict(first.state_dict())
    second.positional_encoding.frequencies = first.positional_encoding.frequencies
    arguments = {
        "multivectors": inputs["multivectors"],
        "scalars": inputs["scalars"],
        "additional_qk_mv": inputs["additional_qk_features_mv"],
        "additional_qk_scalars": inputs["additional_qk_features_s"],
        "attention_mask": inputs["mask"],
    }
    for layer in (first, second):
        assert torch.allclose(layer(**arguments)[0], outputs["multivectors"])


def _egnn_state(config):
    hidden = config["hidden_nf"]
    shapes = {"edge_mlp.0": (hidden, 2 * config["input_nf"] + 1), "edge_mlp.2": (hidden, hidden)}
    shapes |= {"node_mlp.0": (hidden, config["input_nf"] + hidden), "node_mlp.2": (config["output_nf"], hidden)}
    shapes |= {"coord_mlp.0": (hidden, hidden)}
    state = {f"{name}.weight": np.random.default_rng(0).normal(size=shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": np.zeros(shape[0]) for name, shape in shapes.items()}
    return state | {"coord_mlp.2.weight": np.ones((1, hidden))}


def test_egnn_has_two_classes_of_one_name():
    config = {"input_nf": 2, "output_nf": 2, "hidden_nf": 3}
    state = _egnn_state(config)
    clean = load_reference("egnn", "models.egnn_clean.egnn_clean.E_GCL", config, state)
    nbody = load_reference("egnn", "models.gcl.E_GCL", {**config, "recurrent": False, "act_fn": torch.nn.SiLU()}, state)
    assert clean.residual
    assert not nbody.residual
    assert (clean.clamp, nbody.clamp) == (None, 100.0)
    h, x, edge_index = torch.randn(4, 2).double(), torch.randn(4, 3).double(), torch.tensor([[0, 1], [2, 3]])
    first, second = clean(h, x, edge_index), nbody(h, x, edge_index)
    assert torch.allclose(first[0], second[0] + h)
    assert torch.allclose(first[1], second[1])


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("E_GCL", {"input_nf": 2, "output_nf": 2, "hidden_nf": 3, "coords_agg": "max"}, "aggregation is 'max'"),
        ("E_GCL", {"input_nf": 2, "output_nf": 2, "hidden_nf": 3, "act_fn": "ELU"}, "act_fn is 'ELU'"),
        ("E_GCL", {"input_nf": 2, "output_nf": 2, "hidden_nf": 3, "act_fn": "LeakyReLU(0.1)"}, "only LeakyReLU"),
        ("E_GCL", {"input_nf": 2, "output_nf": 2, "hidden_nf": 3, "norm_diff": True}, "no argument 'norm_diff'"),
        ("E_GCL_vel", {"input_nf": 2}, "needs output_nf, hidden_nf"),
        ("EGNN_vel", {"in_node_nf": 1, "in_edge_nf": 2}, "needs hidden_nf"),
        ("GCL", {}, "no supported class 'GCL'"),
    ],
)
def test_wrong_requests_of_egnn_are_named(name, config, message):
    with pytest.raises(ConfigError, match=message):
        load_reference("egnn", name, config, {})
