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
