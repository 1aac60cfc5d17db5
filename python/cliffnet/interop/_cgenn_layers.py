"""Layers of CGENN and GLGENN, and their parameters as ours.

CGENN (DavidRuhe/clifford-group-equivariant-neural-networks) keeps axes of size 1 before and behind the channels of
biases and gates, and GLGENN (katyafilimoshina/glgenn) has the same layers with four classes. Both repeat the tables of
the algebra, as buffers, in the state of every layer.
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import ConfigError
from cliffnet.interop._arguments import read_arguments
from cliffnet.interop._state import Built, State, StateReader, prefixed
from cliffnet.nn import (
    CEMLP,
    BlockConfig,
    ClassNormalization,
    EquivariantGraphConvolution,
    FullyConnectedProductLayer,
    MVLayerNorm,
    MVLinear,
    MVSiLU,
    SteerableProductLayer,
)

Builder = Callable[[dict[str, Any]], Built]


def is_algebra_buffer(name: str) -> bool:
    """Tell whether an entry of a state dict is a table of the algebra."""
    return name.startswith("algebra.") or ".algebra." in name


# Converting parameters


def linear(reader: StateReader, prefix: str, layer: MVLinear) -> State:
    """Convert an MVLinear or QTLinear."""
    outputs, inputs, classes = layer.weight.shape
    shape = (outputs, inputs) if classes == 1 else (outputs, inputs, classes)
    state = {"weight": reader.take(f"{prefix}weight", *shape).reshape(layer.weight.shape)}
    if layer.bias is not None:
        state["bias"] = reader.take(f"{prefix}bias", 1, outputs, 1).flatten()
    return state


def normalization(reader: StateReader, prefix: str, layer: ClassNormalization) -> State:
    """Convert a NormalizationLayer or QTNormalization."""
    return {"strength": reader.take(f"{prefix}a", *layer.strength.shape)}


def product(reader: StateReader, prefix: str, layer: SteerableProductLayer | FullyConnectedProductLayer) -> State:
    """Convert a steerable or fully connected geometric product layer."""
    state = {"weight": reader.take(f"{prefix}weight", *layer.weight.shape)}
    state |= prefixed("right.", linear(reader, f"{prefix}linear_right.", layer.right))
    if layer.normalization is not None:
        state |= prefixed("normalization.", normalization(reader, f"{prefix}normalization.", layer.normalization))
    if layer.left is not None:
        state |= prefixed("left.", linear(reader, f"{prefix}linear_left.", layer.left))
    return state


def gate(reader: StateReader, prefix: str, layer: MVSiLU) -> State:
    """Convert an MVSiLU."""
    shape = (1, *layer.scale.shape)
    return {"scale": reader.take(f"{prefix}a", *shape)[0], "shift": reader.take(f"{prefix}b", *shape)[0]}


def layer_norm(reader: StateReader, prefix: str, layer: MVLayerNorm) -> State:
    """Convert an MVLayerNorm."""
    return {"gain": reader.take(f"{prefix}a", 1, len(layer.gain))[0]}


def plain(reader: StateReader, prefix: str, layer: nn.Module) -> State:
    """Convert a layer of torch itself, whose entries have the same names."""
    return {
        name: reader.take(f"{prefix}{name}", *value.shape, floating=value.is_floating_point())
        for name, value in layer.state_dict().items()
    }


def mlp(reader: StateReader, prefix: str, layer: CEMLP) -> State:
    """Convert a CEMLP, where every block is a sequence of its own."""
    state: State = {}
    for index, part in enumerate(layer.layers):
        theirs = f"{prefix}layers.{index // 4}.{index % 4}."
        state |= prefixed(f"layers.{index}.", any_layer(reader, theirs, part))
    return state


def convolution(reader: StateReader, prefix: str, layer: EquivariantGraphConvolution) -> State:
    """Convert an EGCL."""
    edges = prefixed("edge_mlp.", mlp(reader, f"{prefix}edge_model.", layer.edge_mlp))
    return edges | prefixed("node_mlp.", mlp(reader, f"{prefix}node_model.", layer.node_mlp))


def sequence(reader: StateReader, prefix: str, layers: Iterable[nn.Module]) -> State:
    """Convert layers in a sequence that is numbered as theirs is."""
    state: State = {}
    for index, layer in enumerate(layers):
        state |= prefixed(f"{index}.", any_layer(reader, f"{prefix}{index}.", layer))
    return state


_CONVERTERS: dict[type[nn.Module], Callable[[StateReader, str, Any], State]] = {
    MVLinear: linear,
    ClassNormalization: normalization,
    SteerableProductLayer: product,
    FullyConnectedProductLayer: product,
    MVSiLU: gate,
    MVLayerNorm: layer_norm,
    CEMLP: mlp,
    EquivariantGraphConvolution: convolution,
    nn.Sequential: sequence,
}


def any_layer(reader: StateReader, prefix: str, layer: nn.Module) -> State:
    """Convert a layer by its type."""
    return _CONVERTERS.get(type(layer), plain)(reader, prefix, layer)


# Building layers


def algebra_of(options: dict[str, Any], title: str, default: Iterable[float] | None = None) -> Algebra:
    """Take the metric out of the options and return its algebra."""
    metric = options.pop("metric", None)
    if metric is None:
        metric = default
    if metric is None:
        raise ConfigError(f"{title} takes its algebra as an argument; give its squares, such as metric=[1, 1, 1]")
    try:
        return Algebra(metric=tuple(float(square) for square in metric))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"metric is {metric!r}; give the squares of the generators as numbers") from error


def quaternion_types(algebra: Algebra) -> Partition:
    """Return GLGENN's classes."""
    return Partition.by_grade_mod(algebra, 4)


def _built(layer: nn.Module) -> Built:
    return layer, lambda reader: any_layer(reader, "", layer)


def _build_linear(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "MVLinear")
    given = read_arguments("MVLinear", options, "in_features", "out_features", subspaces=True, bias=True)
    partition = Partition.by_grade(algebra) if given["subspaces"] else Partition.whole(algebra)
    return _built(MVLinear(given["in_features"], given["out_features"], partition=partition, bias=given["bias"]))


def _build_normalization(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "NormalizationLayer")
    given = read_arguments("NormalizationLayer", options, "features", init=0)
    return _built(ClassNormalization(given["features"], partition=Partition.by_grade(algebra), initial=given["init"]))


def _build_product(options: dict[str, Any]) -> Built:
    title = "SteerableGeometricProductLayer"
    algebra = algebra_of(options, title)
    given = read_arguments(title, options, "features", include_first_order=True, normalization_init=0)
    layer = SteerableProductLayer(
        given["features"],
        partition=Partition.by_grade(algebra),
        first_order=given["include_first_order"],
        normalization=given["normalization_init"],
    )
    return _built(layer)


def _build_fully_connected(options: dict[str, Any]) -> Built:
    title = "FullyConnectedSteerableGeometricProductLayer"
    algebra = algebra_of(options, title)
    given = read_arguments(
        title, options, "in_features", "out_features", include_first_order=True, normalization_init=0
    )
    layer = FullyConnectedProductLayer(
        given["in_features"],
        given["out_features"],
        partition=Partition.by_grade(algebra),
        first_order=given["include_first_order"],
        normalization=given["normalization_init"],
    )
    return _built(layer)


def _build_gate(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "MVSiLU")
    # The reference ignores exclude_dual.
    given = read_arguments("MVSiLU", options, "channels", invariant="mag2", exclude_dual=False)
    names = {"mag2": "square", "norm": "norm"}
    if given["invariant"] not in names:
        raise ConfigError(f"MVSiLU has no invariant {given['invariant']!r}; known are {', '.join(names)}")
    invariant = names[given["invariant"]]
    return _built(MVSiLU(given["channels"], partition=Partition.by_grade(algebra), invariant=invariant))


def _build_layer_norm(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "MVLayerNorm")
    given = read_arguments("MVLayerNorm", options, "channels")
    return _built(MVLayerNorm(given["channels"], algebra=algebra))


def _mlp_builder(partition: Callable[[Algebra], Partition], blocks: str) -> Builder:
    def build(options: dict[str, Any]) -> Built:
        algebra = algebra_of(options, "CEMLP")
        widths = ("in_features", "hidden_features", "out_features")
        given = read_arguments("CEMLP", options, *widths, n_layers=2, normalization_init=0)
        config = BlockConfig.cast(blocks).replace(normalization=given["normalization_init"])
        sizes = [given[name] for name in (*widths, "n_layers")]
        return _built(CEMLP(*sizes, partition=partition(algebra), blocks=config))

    return build


def _convolution_builder(partition: Callable[[Algebra], Partition], blocks: str) -> Builder:
    def build(options: dict[str, Any]) -> Built:
        algebra = algebra_of(options, "EGCL")
        widths = ("in_features", "hidden_features", "out_features")
        more = {"edge_attr_features": 0, "node_attr_features": 0, "residual": True, "normalization_init": 0}
        given = read_arguments("EGCL", options, *widths, **more)
        # The reference makes no room for the node attributes that it announces, so it runs without them only.
        layer = EquivariantGraphConvolution(
            *(given[name] for name in widths),
            partition=partition(algebra),
            edge_channels=given["edge_attr_features"],
            residual=given["residual"],
            blocks=BlockConfig.cast(blocks).replace(normalization=given["normalization_init"]),
        )
        return _built(layer)

    return build


def _build_type_linear(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "QTLinear")
    given = read_arguments("QTLinear", options, "in_features", "out_features")
    layer = MVLinear(given["in_features"], given["out_features"], partition=quaternion_types(algebra), bias=False)
    return _built(layer)


def _build_type_normalization(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "QTNormalization")
    given = read_arguments("QTNormalization", options, "features", init=0)
    return _built(ClassNormalization(given["features"], partition=quaternion_types(algebra), initial=given["init"]))


def _build_type_product(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "QTGeometricProduct")
    given = read_arguments("QTGeometricProduct", options, "features", normalization_init=0)
    layer = SteerableProductLayer(
        given["features"],
        partition=quaternion_types(algebra),
        first_order=False,
        normalization=given["normalization_init"],
    )
    return _built(layer)


CGENN: dict[str, Builder] = {
    "MVLinear": _build_linear,
    "NormalizationLayer": _build_normalization,
    "SteerableGeometricProductLayer": _build_product,
    "FullyConnectedSteerableGeometricProductLayer": _build_fully_connected,
    "MVSiLU": _build_gate,
    "MVLayerNorm": _build_layer_norm,
    "CEMLP": _mlp_builder(Partition.by_grade, "cgenn"),
    "EGCL": _convolution_builder(Partition.by_grade, "cgenn"),
}
GLGENN: dict[str, Builder] = {
    "QTLinear": _build_type_linear,
    "QTNormalization": _build_type_normalization,
    "QTGeometricProduct": _build_type_product,
    "MVSiLU": _build_gate,
    "CEMLP": _mlp_builder(quaternion_types, "glgenn"),
    "EGCL": _convolution_builder(quaternion_types, "glgenn"),
}
