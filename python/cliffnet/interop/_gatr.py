"""Modules and state dicts of GATr 1.4 (Qualcomm-AI-research/geometric-algebra-transformer).

Differences in parametrisation: GATr normalises its nine linear maps to unit Frobenius norm, keeps queries, keys and
values (and the four factors of a bilinear layer) in separate layers, and runs heads fastest along projected channels.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.interop._arguments import reject_unknown, require
from cliffnet.interop._state import Built, State, StateReader, prefixed
from cliffnet.models import AxialGATr, GATr, GATrBlock
from cliffnet.nn import (
    Compatibility,
    CrossAttention,
    EquivariantLinear,
    GeometricBilinear,
    GeometricMLP,
    MLPConfig,
    SelfAttention,
    SelfAttentionConfig,
)

ALGEBRA = Algebra(3, 0, 1)
COMPATIBILITY = Compatibility.cast("gatr-1.4.3")

_ATTENTION_NAMES = {
    "multi_query": "multi_query",
    "num_heads": "num_heads",
    "additional_qk_mv_channels": "additional_qk_mv_channels",
    "additional_qk_s_channels": "additional_qk_scalar_channels",
    "normalizer_eps": "normalizer_epsilon",
    "pos_encoding": "positional_encoding",
    "pos_enc_base": "positional_encoding_base",
    "output_init": "output_initialization",
    "increase_hidden_channels": "increase_hidden_channels",
    "dropout_prob": "dropout_probability",
}
_ATTENTION_CHANNELS = ("in_mv_channels", "out_mv_channels", "in_s_channels", "out_s_channels")
# Options that do not change numbers, or that a recorded config repeats from elsewhere.
_ATTENTION_IGNORED = ("checkpoint", "hidden_mv_channels", "hidden_s_channels")


def _attention_config(options: dict[str, Any] | None) -> SelfAttentionConfig:
    options = dict(options or {})
    reject_unknown("SelfAttentionConfig", options, [*_ATTENTION_NAMES, *_ATTENTION_CHANNELS, *_ATTENTION_IGNORED])
    return SelfAttentionConfig.cast(
        {ours: options[theirs] for theirs, ours in _ATTENTION_NAMES.items() if theirs in options}
    )


def _check_hidden(options: dict[str, Any], config: SelfAttentionConfig) -> None:
    """Refuse head sizes that GATr would not derive from the other options."""
    derived = {
        "hidden_mv_channels": config.hidden_mv_channels(options["in_mv_channels"]),
        "hidden_s_channels": config.hidden_scalar_channels(options.get("in_s_channels")),
    }
    for name, size in derived.items():
        if options.get(name) not in (None, size):
            raise ConfigError(f"{name} is {options[name]!r}, but GATr derives {size} from the other options")


def _mlp_config(options: dict[str, Any] | None) -> MLPConfig:
    options = dict(options or {})
    reject_unknown("MLPConfig", options, ["mv_channels", "s_channels", "activation", "dropout_prob"])
    return MLPConfig.cast(
        {"activation": options.get("activation", "gelu"), "dropout_probability": options.get("dropout_prob")}
    )


# Converting parameters


def _basis_factors(like: Tensor) -> Tensor:
    """Factors from GATr's normalised maps to maps with entries 1."""
    sizes = [len(entries) for entries in ALGEBRA.equivariant_maps("pin").entries]
    return torch.tensor([1.0 / math.sqrt(size) for size in sizes], dtype=like.dtype, device=like.device)


def _linear(reader: StateReader, prefix: str, layer: EquivariantLinear, rows: int | None = None) -> State:
    """Convert an EquiLinear into the entries of ``layer``; with ``rows``, one that has that many multivector rows."""
    in_mv, in_s, out_s = layer.in_mv_channels, layer.in_scalar_channels, layer.out_scalar_channels
    out_mv = layer.out_mv_channels if rows is None else rows
    return _linear_sized(reader, prefix, in_mv, out_mv, in_s, out_s, layer.bias is not None)


def _linear_sized(
    reader: StateReader, prefix: str, in_mv: int, out_mv: int, in_s: int | None, out_s: int | None, bias: bool = True
) -> State:
    maps = len(ALGEBRA.equivariant_maps("pin"))
    weight = reader.take(f"{prefix}weight", out_mv, in_mv, maps)
    state = {"weight": weight * _basis_factors(weight)}
    if in_s:
        state["scalar_to_mv"] = reader.take(f"{prefix}s2mvs.weight", out_mv, in_s)
        if bias:
            state["bias"] = reader.take(f"{prefix}s2mvs.bias", out_mv)
    elif bias:
        state["bias"] = reader.take(f"{prefix}bias", out_mv, 1).squeeze(-1)
    if out_s:
        state["mv_to_scalar"] = reader.take(f"{prefix}mvs2s.weight", out_s, in_mv)
        if bias:
            state["scalar_bias"] = reader.take(f"{prefix}mvs2s.bias", out_s)
        if in_s:
            state["scalar_to_scalar"] = reader.take(f"{prefix}s2s.weight", out_s, in_s)
    return state


def _heads_first(state: State, parts: int, heads: int) -> State:
    """Reorder output rows from (part, hidden, head) to (part, head, hidden)."""

    def reorder(value: Tensor) -> Tensor:
        rows = value.reshape(parts, -1, heads, *value.shape[1:])
        return rows.transpose(1, 2).reshape(value.shape)

    return {name: reorder(value) for name, value in state.items()}


def _stack_rows(states: list[State]) -> State:
    """Put the outputs of several linear layers with the same inputs below one another."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def _projection(
    reader: StateReader, prefix: str, attention: SelfAttention | CrossAttention, layer: EquivariantLinear, heads: int
) -> State:
    """Convert a projection onto so many heads whose rows have the inputs of ``layer``."""
    scalars = attention.hidden_scalar_channels
    state = _linear_sized(
        reader,
        prefix,
        layer.in_mv_channels,
        heads * attention.hidden_mv_channels,
        layer.in_scalar_channels,
        None if scalars is None else heads * scalars,
    )
    return _heads_first(state, 1, heads)


def _self_attention(reader: StateReader, prefix: str, layer: SelfAttention) -> State:
    inner = f"{prefix}qkv_module."
    if not layer.config.multi_query:
        fused = _linear(reader, f"{inner}in_linear.", layer.qkv_linear)
        state = prefixed("qkv_linear.", _heads_first(fused, 3, layer.heads))
    else:
        q_source = layer.qkv_linear if layer.fused else layer.qk_linear
        v_source = layer.qkv_linear if layer.fused else layer.v_linear
        q = _projection(reader, f"{inner}q_linear.", layer, q_source, layer.heads)
        k = _projection(reader, f"{inner}k_linear.", layer, q_source, 1)
        v = _projection(reader, f"{inner}v_linear.", layer, v_source, 1)
        if layer.fused:
            state = prefixed("qkv_linear.", _stack_rows([q, k, v]))
        else:
            state = prefixed("qk_linear.", _stack_rows([q, k])) | prefixed("v_linear.", v)
    if layer.positional_encoding is not None:
        frequencies = reader.take(f"{prefix}pos_encoding.inv_freq", layer.positional_encoding.channels // 2)
        layer.positional_encoding.frequencies = tuple(frequencies.detach().tolist())
    return state | _attention_rest(reader, prefix, layer)


def _attention_rest(reader: StateReader, prefix: str, layer: SelfAttention | CrossAttention) -> State:
    weights = reader.take(f"{prefix}attention.log_weights", layer.heads, 1, layer.hidden_mv_channels)
    state = prefixed("out_linear.", _linear(reader, f"{prefix}out_linear.", layer.out_linear))
    return {**state, "distance_log_weights": weights.squeeze(1)}


def _cross_attention(reader: StateReader, prefix: str, layer: CrossAttention) -> State:
    q = _projection(reader, f"{prefix}q_linear.", layer, layer.q_linear, layer.heads)
    k = _projection(reader, f"{prefix}k_linear.", layer, layer.kv_linear, 1)
    v = _projection(reader, f"{prefix}v_linear.", layer, layer.kv_linear, 1)
    state = prefixed("q_linear.", q) | prefixed("kv_linear.", _stack_rows([k, v]))
    return state | _attention_rest(reader, prefix, layer)


def _bilinear(reader: StateReader, prefix: str, layer: GeometricBilinear) -> State:
    names = ("linear_left", "linear_right", "linear_join_left", "linear_join_right")
    factors = [_linear(reader, f"{prefix}{name}.", layer.factor_linear, layer.half_width) for name in names]
    out = _linear(reader, f"{prefix}linear_out.", layer.out_linear)
    return prefixed("factor_linear.", _stack_rows(factors)) | prefixed("out_linear.", out)


def _mlp(reader: StateReader, prefix: str, layer: GeometricMLP) -> State:
    state = prefixed("bilinear.", _bilinear(reader, f"{prefix}layers.0.", layer.bilinear))
    # Gates and dropouts count as layers there.
    stride = 2 if layer.dropout is None else 3
    for index, linear in enumerate(layer.linears):
        if not isinstance(linear, EquivariantLinear):
            raise AssertionError("an MLP holds linear layers only")
        theirs = (2 if layer.dropout is None else 3) + stride * index
        state |= prefixed(f"linears.{index}.", _linear(reader, f"{prefix}layers.{theirs}.", linear))
    return state


def _block(reader: StateReader, prefix: str, layer: GATrBlock) -> State:
    attention = _self_attention(reader, f"{prefix}attention.", layer.attention)
    return prefixed("attention.", attention) | prefixed("mlp.", _mlp(reader, f"{prefix}mlp.", layer.mlp))


def _network(reader: StateReader, prefix: str, layer: GATr | AxialGATr) -> State:
    state = prefixed("linear_in.", _linear(reader, f"{prefix}linear_in.", layer.linear_in))
    for index, block in enumerate(layer.blocks):
        if not isinstance(block, GATrBlock):
            raise AssertionError("a network holds blocks only")
        state |= prefixed(f"blocks.{index}.", _block(reader, f"{prefix}blocks.{index}.", block))
    return state | prefixed("linear_out.", _linear(reader, f"{prefix}linear_out.", layer.linear_out))


# Building modules


def _build_linear(options: dict[str, Any]) -> Built:
    known = ["in_mv_channels", "out_mv_channels", "in_s_channels", "out_s_channels", "bias", "initialization"]
    reject_unknown("EquiLinear", options, known)
    require("EquiLinear", options, "in_mv_channels", "out_mv_channels")
    layer = EquivariantLinear(
        options["in_mv_channels"],
        options["out_mv_channels"],
        options.get("in_s_channels"),
        options.get("out_s_channels"),
        algebra=ALGEBRA,
        bias=options.get("bias", True),
        initialization=options.get("initialization", "default"),
        allow_missing_scalars=True,
    )
    return layer, lambda reader: _linear(reader, "", layer)


def _build_bilinear(options: dict[str, Any]) -> Built:
    known = ["in_mv_channels", "out_mv_channels", "hidden_mv_channels", "in_s_channels", "out_s_channels"]
    reject_unknown("GeometricBilinear", options, known)
    require("GeometricBilinear", options, "in_mv_channels", "out_mv_channels")
    layer = GeometricBilinear(
        options["in_mv_channels"],
        options["out_mv_channels"],
        options.get("in_s_channels"),
        options.get("out_s_channels"),
        options.get("hidden_mv_channels"),
        algebra=ALGEBRA,
        allow_missing_scalars=True,
    )
    return layer, lambda reader: _bilinear(reader, "", layer)


def _build_mlp(options: dict[str, Any]) -> Built:
    config = _mlp_config(options)
    require("GeoMLP", options, "mv_channels")
    layer = GeometricMLP(
        options["mv_channels"],
        options.get("s_channels"),
        algebra=ALGEBRA,
        activation=config.activation,
        dropout_probability=config.dropout_probability,
        compatibility=COMPATIBILITY,
    )
    return layer, lambda reader: _mlp(reader, "", layer)


def _build_self_attention(options: dict[str, Any]) -> Built:
    config = _attention_config(options)
    require("SelfAttention", options, "in_mv_channels", "out_mv_channels")
    _check_hidden(options, config)
    layer = SelfAttention(
        options["in_mv_channels"],
        options["out_mv_channels"],
        options.get("in_s_channels"),
        options.get("out_s_channels"),
        config,
        algebra=ALGEBRA,
        compatibility=COMPATIBILITY,
    )
    return layer, lambda reader: _self_attention(reader, "", layer)


def _build_cross_attention(options: dict[str, Any]) -> Built:
    queries = {name: options.pop(name, None) for name in ("in_q_mv_channels", "in_q_s_channels")}
    config = _attention_config(options)
    require("CrossAttention", {**options, **queries}, "in_mv_channels", "out_mv_channels", "in_q_mv_channels")
    _check_hidden(options, config)
    if not config.multi_query:
        raise ConfigError("GATr's CrossAttention exists with multi_query=True only")
    layer = CrossAttention(
        queries["in_q_mv_channels"],
        options["in_mv_channels"],
        options["out_mv_channels"],
        queries["in_q_s_channels"],
        options.get("in_s_channels"),
        options.get("out_s_channels"),
        config,
        algebra=ALGEBRA,
        compatibility=COMPATIBILITY,
    )
    return layer, lambda reader: _cross_attention(reader, "", layer)


def _build_block(options: dict[str, Any]) -> Built:
    known = ["mv_channels", "s_channels", "attention", "mlp", "dropout_prob", "checkpoint"]
    reject_unknown("GATrBlock", options, known)
    require("GATrBlock", options, "mv_channels")
    layer = GATrBlock(
        options["mv_channels"],
        options.get("s_channels"),
        # A block's own dropout replaces whatever its parts say, also when it is None.
        _attention_config(options.get("attention")).replace(dropout_probability=None),
        _mlp_config(options.get("mlp")).replace(dropout_probability=None),
        options.get("dropout_prob"),
        options.get("checkpoint"),
        algebra=ALGEBRA,
        compatibility=COMPATIBILITY,
    )
    return layer, lambda reader: _block(reader, "", layer)


_NETWORK_CHANNELS = {
    "in_mv_channels": "in_mv_channels",
    "out_mv_channels": "out_mv_channels",
    "hidden_mv_channels": "hidden_mv_channels",
    "in_s_channels": "in_scalar_channels",
    "out_s_channels": "out_scalar_channels",
    "hidden_s_channels": "hidden_scalar_channels",
}


def _network_options(title: str, options: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Translate the arguments of a network, of which ``names`` are its own."""
    translation = {**_NETWORK_CHANNELS, "num_blocks": "num_blocks", **names}
    # join_reference belongs to the call; recorded configs carry it along.
    reject_unknown(title, options, [*translation, "attention", "mlp", "checkpoint_blocks", "join_reference"])
    attention, mlp = _attention_config(options.get("attention")), _mlp_config(options.get("mlp"))
    require(title, options, "in_mv_channels", "out_mv_channels", "hidden_mv_channels")
    translated = {ours: options[theirs] for theirs, ours in translation.items() if theirs in options}
    if options.get("checkpoint_blocks"):
        translated["checkpoint"] = ("block",)
    translated["attention"] = attention.replace(dropout_probability=None)
    translated["mlp"] = mlp.replace(dropout_probability=None)
    return translated


def _build_gatr(options: dict[str, Any]) -> Built:
    names = {
        "reinsert_mv_channels": "reinsert_mv_channels",
        "reinsert_s_channels": "reinsert_scalar_channels",
        "dropout_prob": "dropout_probability",
        "checkpoint": "checkpoint",
    }
    net = GATr(**_network_options("GATr", options, names), algebra=ALGEBRA, compatibility=COMPATIBILITY)
    return net, lambda reader: _network(reader, "", net)


def _build_axial_gatr(options: dict[str, Any]) -> Built:
    names = {"pos_encodings": "positional_encodings", "collapse_dims": "collapse_dims"}
    net = AxialGATr(**_network_options("AxialGATr", options, names), algebra=ALGEBRA, compatibility=COMPATIBILITY)
    return net, lambda reader: _network(reader, "", net)


CLASSES: dict[str, Callable[[dict[str, Any]], Built]] = {
    "EquiLinear": _build_linear,
    "GeometricBilinear": _build_bilinear,
    "GeoMLP": _build_mlp,
    "SelfAttention": _build_self_attention,
    "CrossAttention": _build_cross_attention,
    "GATrBlock": _build_block,
    "GATr": _build_gatr,
    "AxialGATr": _build_axial_gatr,
}
