"""Modules and state dicts of EGNN (vgsatorras/egnn): the network on features and points, and that of the n-body runs.

Two of its files have a class ``E_GCL`` and a class ``EGNN``; the bare names mean those of ``egnn_clean``. Differences
in parametrisation are names only. There, ``edge_index[0]`` receives; here, ``edge_index[1]`` does.
"""

import re
from collections.abc import Callable
from typing import Any

from torch import nn

from cliffnet.errors import ConfigError
from cliffnet.interop._arguments import reject_unknown, require
from cliffnet.interop._state import Built, State, StateReader
from cliffnet.models import EGNN, EGNNLayer, VelocityEGNN

# In the n-body runs the components of displacements are bounded.
_CLAMP = 100.0

_LAYER_SIZES = {"input_nf": "in_channels", "output_nf": "out_channels", "hidden_nf": "hidden_channels"}
_CLEAN = {"residual": "residual", "attention": "attention", "tanh": "tanh"}
_NBODY = {"recurrent": "residual", "coords_weight": "coordinate_weight", "tanh": "tanh"}
_LAYER_PARTS = {
    "edge_mlp": "edge_mlp",
    "node_mlp": "node_mlp",
    "coord_mlp": "coordinate_mlp",
    "att_mlp.0": "attention",
    "coord_mlp_vel": "velocity_mlp",
}
_ACTIVATIONS = {"SiLU": "silu", "ReLU": "relu", "GELU": "gelu", "Tanh": "tanh", "LeakyReLU": "leaky_relu"}


def _activation(value: Any, default: str) -> str:
    """Read an activation written as ``SiLU``, ``nn.SiLU()`` or ``LeakyReLU(0.2)``, or given as a module."""
    text = default if value is None else str(value)
    match = re.fullmatch(r"(?:\w+\.)*(\w+)(?:\((.*)\))?", text)
    known = {name.lower(): ours for name, ours in _ACTIVATIONS.items()}
    name = known.get(match[1].lower().replace("_", "")) if match else None
    if match is None or name is None:
        raise ConfigError(f"act_fn is {text!r}; supported are {', '.join(_ACTIVATIONS)}")
    if name == "leaky_relu" and (match[2] or "").rpartition("=")[2] != "0.2":
        raise ConfigError(f"act_fn is {text!r}; of leaky activations only LeakyReLU(0.2), EGNN's own, is supported")
    return name


def _renamed(config: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {ours: config[theirs] for theirs, ours in names.items() if theirs in config}


def _layer(title: str, config: dict[str, Any], flags: dict[str, str], options: dict[str, Any]) -> Built:
    sizes = {**_LAYER_SIZES, "edges_in_d": "edge_channels", "nodes_att_dim": "node_channels"}
    require(title, config, *_LAYER_SIZES)
    given = {**options, **_renamed(config, sizes), **_renamed(config, flags)}
    module = EGNNLayer(**given)
    return module, lambda reader: _layer_state(reader, module, "", "")


def _layer_state(reader: StateReader, layer: nn.Module, ours: str, theirs: str) -> State:
    state = {}
    for name, parameter in layer.named_parameters():
        for their_part, our_part in _LAYER_PARTS.items():
            if name.startswith(f"{our_part}."):
                rest = name.removeprefix(our_part)
                state[f"{ours}{name}"] = reader.take(f"{theirs}{their_part}{rest}", *parameter.shape)
    return state


def _network_state(reader: StateReader, net: EGNN | VelocityEGNN, ends: dict[str, str]) -> State:
    state = {}
    for ours, theirs in ends.items():
        linear = net.get_submodule(ours)
        for name, parameter in linear.named_parameters():
            state[f"{ours}.{name}"] = reader.take(f"{theirs}.{name}", *parameter.shape)
    for index, layer in enumerate(net.layers):
        state |= _layer_state(reader, layer, f"layers.{index}.", f"gcl_{index}.")
    return state


def _clean_layer(config: dict[str, Any]) -> Built:
    known = [*_LAYER_SIZES, *_CLEAN, "edges_in_d", "act_fn", "normalize", "coords_agg"]
    reject_unknown("E_GCL", config, known)
    options = {
        "displacement": "unit" if config.get("normalize") else "plain",
        "aggregation": config.get("coords_agg", "mean"),
        "activation": _activation(config.get("act_fn"), "SiLU"),
    }
    return _layer("E_GCL", config, _CLEAN, options)


def _nbody_layer(title: str, velocity: bool) -> Callable[[dict[str, Any]], Built]:
    def build(config: dict[str, Any]) -> Built:
        flags = {**_NBODY, "attention": "attention"}
        # there, bounds are always applied; the argument that should switch them does nothing
        reject_unknown(
            title, config, [*_LAYER_SIZES, *flags, "edges_in_d", "nodes_att_dim", "act_fn", "norm_diff", "clamp"]
        )
        options = {
            "displacement": "soft" if config.get("norm_diff") else "plain",
            "activation": _activation(config.get("act_fn"), "ReLU"),
            "velocity": velocity,
            "clamp": _CLAMP,
        }
        return _layer(title, config, flags, options)

    return build


def _clean_network(config: dict[str, Any]) -> Built:
    names = {"in_node_nf": "in_channels", "hidden_nf": "hidden_channels", "out_node_nf": "out_channels"}
    more = {"in_edge_nf": "edge_channels", "n_layers": "num_layers"}
    reject_unknown("EGNN", config, [*names, *more, *_CLEAN, "act_fn", "normalize", "device"])
    require("EGNN", config, *names)
    net = EGNN(
        **_renamed(config, {**names, **more, **_CLEAN}),
        displacement="unit" if config.get("normalize") else "plain",
        activation=_activation(config.get("act_fn"), "SiLU"),
    )
    ends = {"linear_in": "embedding_in", "linear_out": "embedding_out"}
    return net, lambda reader: _network_state(reader, net, ends)


def _velocity_network(config: dict[str, Any]) -> Built:
    names = {"in_node_nf": "in_channels", "in_edge_nf": "edge_channels", "hidden_nf": "hidden_channels"}
    flags = {"n_layers": "num_layers", **_NBODY}
    reject_unknown("EGNN_vel", config, [*names, *flags, "act_fn", "norm_diff", "device"])
    require("EGNN_vel", config, *names)
    given = {"residual": False, **_renamed(config, {**names, **flags})}
    net = VelocityEGNN(
        **given,
        displacement="soft" if config.get("norm_diff") else "plain",
        activation=_activation(config.get("act_fn"), "SiLU"),
        clamp=_CLAMP,
    )
    return net, lambda reader: _network_state(reader, net, {"linear_in": "embedding"})


CLASSES: dict[str, Callable[[dict[str, Any]], Built]] = {
    "E_GCL": _clean_layer,
    "gcl.E_GCL": _nbody_layer("E_GCL", velocity=False),
    "E_GCL_vel": _nbody_layer("E_GCL_vel", velocity=True),
    "EGNN": _clean_network,
    "EGNN_vel": _velocity_network,
}
