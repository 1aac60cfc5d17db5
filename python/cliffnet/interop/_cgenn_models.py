"""Networks of CGENN and GLGENN."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import ConfigError
from cliffnet.interop import _cgenn_layers as layers
from cliffnet.interop._arguments import read_arguments, reject_unknown
from cliffnet.interop._cgenn_layers import Builder, algebra_of, any_layer, quaternion_types
from cliffnet.interop._state import Built, State, StateReader, prefixed
from cliffnet.models import ChargedNBodyNet, ConvexHullNet, InvariantRegressionNet, LorentzTaggingNet, SignedVolumeNet
from cliffnet.nn import BlockConfig

_WIDTH_OF_READOUT = 580


def _parts(reader: StateReader, net: nn.Module, names: Mapping[str, str]) -> State:
    """Convert the parts of a network, given the name of each there and here."""
    state: State = {}
    for theirs, ours in names.items():
        state |= prefixed(f"{ours}.", any_layer(reader, f"{theirs}.", net.get_submodule(ours)))
    return state


def _built(net: nn.Module, names: Mapping[str, str], unused: tuple[str, ...] = ()) -> Built:
    def convert(reader: StateReader) -> State:
        reader.drop(*unused)
        return _parts(reader, net, names)

    return net, convert


def _build_signed_volume(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "O3CGMLP", (1, 1, 1))
    # The reference ignores init_normalization.
    defaults = {"in_features": 3, "hidden_features": 32, "out_features": 1, "num_layers": 6, "init_normalization": 0}
    given = read_arguments("O3CGMLP", options, **defaults)
    net = SignedVolumeNet(
        given["in_features"],
        given["hidden_features"],
        given["out_features"],
        given["num_layers"],
        partition=Partition.by_grade(algebra),
    )
    return _built(net, {"net": "layers"})


def _build_regression(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "O5CGMLP", (1,) * 5)
    # The mean and deviation belong to the loss; the width of the read-out is a constant there.
    given = read_arguments("O5CGMLP", options, ymean=0.0, ystd=1.0, mlp_hidden=_WIDTH_OF_READOUT)
    net = InvariantRegressionNet(readout_channels=[given["mlp_hidden"]] * 2, partition=Partition.by_grade(algebra))
    return _built(net, {"gp": "layers", "mlp": "readout"})


def _build_type_regression(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "O5GLGMLP", (1,) * 5)
    given = read_arguments("O5GLGMLP", options, ymean=0.0, ystd=1.0, mlp_hidden=_WIDTH_OF_READOUT)
    net = InvariantRegressionNet(
        readout_channels=[given["mlp_hidden"]] * 2, partition=quaternion_types(algebra), blocks="glgenn"
    )
    return _built(net, {"qtgp": "layers", "mlp": "readout"})


def _build_any_dimension(options: dict[str, Any]) -> Built:
    algebra = _euclidean("OnGLGMLP", options)
    widths = {"output_qtgp": 8, "hidden_mlp_1": _WIDTH_OF_READOUT, "hidden_mlp_2": _WIDTH_OF_READOUT}
    given = read_arguments("OnGLGMLP", options, ymean=0.0, ystd=1.0, if_mlp=True, **widths)
    net = InvariantRegressionNet(
        channels=given["output_qtgp"],
        readout_channels=[given["hidden_mlp_1"], given["hidden_mlp_2"]] if given["if_mlp"] else [],
        partition=quaternion_types(algebra),
        blocks="glgenn",
    )
    # The reference makes both read-outs and uses one.
    if given["if_mlp"]:
        return _built(net, {"qtgp": "layers", "mlp": "readout"}, ("no_mlp.weight", "no_mlp.bias"))
    unused = tuple(f"mlp.{index}.{name}" for index in (0, 2, 4) for name in ("weight", "bias"))

    def convert(reader: StateReader) -> State:
        reader.drop(*unused)
        readout = layers.plain(reader, "no_mlp.", net.readout[0])
        return _parts(reader, net, {"qtgp": "layers"}) | prefixed("readout.0.", readout)

    return net, convert


def _build_hull(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "ConvexHullCGMLP", (1,) * 5)
    # The reference ignores num_layers and init_normalization.
    more = {"in_features": 16, "hidden_features": 32, "out_features": 1, "num_layers": 4, "init_normalization": 0}
    given = read_arguments("ConvexHullCGMLP", options, **more)
    sizes = [given[name] for name in ("in_features", "hidden_features", "out_features")]
    net = ConvexHullNet(*sizes, partition=Partition.by_grade(algebra), compatibility="cgenn")
    return _built(net, {"net": "layers", "mlp": "readout"})


def _build_type_hull(options: dict[str, Any]) -> Built:
    algebra = _euclidean("ConvexHullGLGMLP", options)
    more = {"in_features": 16, "hidden_features": 32, "out_features": 1, "num_layers": 4}
    given = read_arguments("ConvexHullGLGMLP", options, **more)
    sizes = [given[name] for name in ("in_features", "hidden_features", "out_features")]
    net = ConvexHullNet(*sizes, partition=quaternion_types(algebra), blocks="glgenn", compatibility="glgenn")
    return _built(net, {"net": "layers", "mlp": "readout"})


def _euclidean(title: str, options: dict[str, Any]) -> Algebra:
    """Take the dimension, or the metric, out of the options and return the algebra."""
    dim = options.pop("n", None)
    if dim is None:
        return algebra_of(options, title)
    algebra = algebra_of(options, title, (1,) * dim)
    if algebra.dim != dim:
        raise ConfigError(f"{title} has n={dim}, but the metric has {algebra.dim} entries")
    return algebra


def _nbody_builder(title: str, dim: int, partition: Callable[[Algebra], Partition], blocks: str) -> Builder:
    def build(options: dict[str, Any]) -> Built:
        algebra = algebra_of(options, title, (1,) * dim)
        fixed = {"in_features": 3, "out_features": 1}
        more = {"hidden_features": 28, "edge_features_in": 1, "n_layers": 3, "residual": True, "normalization_init": 0}
        given = read_arguments(title, options, **fixed, **more)
        for name, value in fixed.items():
            if given[name] != value:
                raise ConfigError(f"{title} runs with {name}={value} only, got {given[name]!r}")
        net = ChargedNBodyNet(
            given["hidden_features"],
            given["n_layers"],
            edge_channels=given["edge_features_in"],
            residual=given["residual"],
            partition=partition(algebra),
            blocks=BlockConfig.cast(blocks).replace(normalization=given["normalization_init"]),
        )
        names = {f"layers.{index}": f"layers.{index}" for index in range(given["n_layers"])}
        return _built(net, {"embedding": "embedding", **names, "projection.0": "projection"})

    return build


_LORENTZ_NAMES = {
    "hidden_features_x": "hidden_mv_channels",
    "hidden_features_h": "hidden_scalar_channels",
    "n_layers": "num_layers",
    "in_features_h": "in_scalar_channels",
    "n_class": "num_classes",
    "decoder_features": "readout_channels",
    "dropout": "dropout_probability",
    "layer_type": "layer_type",
    "aggregation": "aggregation",
    "residual": "residual",
    "normalization_init": "normalization",
    "use_invariants_to_update": "scalars_gate",
}
_LORENTZ_PARTS = {
    "phi_x": "edge_multivectors",
    "phi_h": "edge_scalars",
    "psi_x": "edge_gates",
    "theta_x": "node_multivectors",
    "theta_h": "node_scalars",
    "chi_x": "node_gates",
}


def _build_lorentz(options: dict[str, Any]) -> Built:
    algebra = algebra_of(options, "LorentzCGGNN", (1, -1, -1, -1))
    fixed = {"in_features_x": 1, "use_invariant_network": True}
    reject_unknown("LorentzCGGNN", options, [*fixed, *_LORENTZ_NAMES])
    for name, value in fixed.items():
        if options.get(name, value) != value:
            raise ConfigError(f"LorentzCGGNN runs with {name}={value} only, got {options[name]!r}")
    translated = {ours: options[theirs] for theirs, ours in _LORENTZ_NAMES.items() if theirs in options}
    net = LorentzTaggingNet(**translated, partition=Partition.by_grade(algebra), compatibility="cgenn")
    return net, lambda reader: _lorentz(reader, net)


def _lorentz(reader: StateReader, net: LorentzTaggingNet) -> State:
    state = _parts(reader, net, {"embedding_x": "embedding", "embedding_h": "scalar_embedding", "graph_dec": "readout"})
    for index, layer in enumerate(net.layers):
        theirs, ours = f"CGLs.{index}.", f"layers.{index}."
        for name, part in _LORENTZ_PARTS.items():
            module = getattr(layer, part)
            if module is None:
                # The reference makes its gates and then does without them.
                reader.drop_all(f"{theirs}{name}.")
                continue
            converted = any_layer(reader, f"{theirs}{name}.", module)
            if name == "phi_x":
                converted = _reorder_pairs(converted, net.hidden_mv_channels)
            state |= prefixed(f"{ours}{part}.", converted)
    return state


def _reorder_pairs(state: State, channels: int) -> State:
    """Put the channels of pairs in our order: each of two particles and their difference, momenta behind multivectors.

    Theirs are the multivectors of both and their difference, then the momenta: difference, first, second.
    """
    order: list[int] = []
    for start, momentum in ((0, 1), (channels, 2), (2 * channels, 0)):
        order += [*range(start, start + channels), 3 * channels + momentum]
    reordered = dict(state)
    for name in ("0.weight", "0.left.weight", "0.right.weight"):
        if name in state:
            reordered[name] = state[name][:, order]
    for name in ("0.right.weight", "0.normalization.strength"):
        if name in state:
            reordered[name] = reordered[name][order]
    return reordered


CGENN: dict[str, Builder] = {
    **layers.CGENN,
    "O3CGMLP": _build_signed_volume,
    "O5CGMLP": _build_regression,
    "ConvexHullCGMLP": _build_hull,
    "LorentzCGGNN": _build_lorentz,
    "NBodyCGGNN": _nbody_builder("NBodyCGGNN", 3, Partition.by_grade, "cgenn"),
}
GLGENN: dict[str, Builder] = {
    **layers.GLGENN,
    "O5GLGMLP": _build_type_regression,
    "OnGLGMLP": _build_any_dimension,
    "ConvexHullGLGMLP": _build_type_hull,
    "NBodyGLGGNN": _nbody_builder("NBodyGLGGNN", 5, quaternion_types, "glgenn"),
}
