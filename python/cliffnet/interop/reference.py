"""The one entry point for models of reference implementations."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cliffnet.errors import ConfigError
from cliffnet.interop import _egnn, _gatr
from cliffnet.interop._state import StateReader

_SOURCES = {"gatr": _gatr, "egnn": _egnn}


def _builder(source: str, class_name: str) -> tuple[Any, str]:
    """Return the builder of a class and the name it goes by, after checking both."""
    if source not in _SOURCES:
        raise ConfigError(f"source is {source!r}; supported are {', '.join(_SOURCES)}")
    classes = _SOURCES[source].CLASSES
    # where two modules have a class of one name, it is listed with its module
    parts = class_name.split(".")
    for start in range(len(parts)):
        name = ".".join(parts[start:])
        if name in classes:
            return classes[name], name
    raise ConfigError(f"{source} has no supported class {class_name!r}; supported are {', '.join(classes)}")


def load_reference(source: str, class_name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> nn.Module:
    """Build the cliffnet module that computes what a module of a reference implementation computes.

    Parameters
    ----------
    source : {"gatr", "egnn"}
        The implementation; ``"gatr"`` is GATr 1.4, ``"egnn"`` is vgsatorras/egnn.
    class_name : str
        Class name there, bare (``"GATr"``) or dotted (``"gatr.nets.GATr"``). EGNN has two classes ``E_GCL``: the bare
        name is that of ``egnn_clean``, ``"gcl.E_GCL"`` the other.
    config : mapping
        Constructor arguments by the names they have there.
    state_dict : mapping of str to Tensor or array
        Its state dict.

    Returns
    -------
    nn.Module
        In training mode, with the dtype of the state dict and with the reference's faults switched on.

    Raises
    ------
    ConfigError
        If the source, the class or an argument is unknown.
    StateDictError
        If entries are missing, unexpected or misshapen; the message lists them all.

    Notes
    -----
    GATr 1.4 rounds the normalising factors of its linear basis to float32. They are taken as exact here, which
    matters to float64 models only, by about 1e-8.

    Graphs follow PyTorch Geometric's convention here, where ``edge_index[0]`` sends and ``edge_index[1]`` receives. In
    EGNN the first row receives: give ``edge_index.flip(0)``.
    """
    builder, bare = _builder(source, class_name)
    module, convert = builder(dict(config))
    reader = StateReader(state_dict)
    converted: dict[str, Tensor] = convert(reader)
    reader.finish(f"{source} {bare}")
    floating = [value.dtype for value in converted.values()]
    if floating:
        module.to(floating[0])
    module.load_state_dict({name: value.detach() for name, value in converted.items()})
    result: nn.Module = module
    return result


def convert_reference_state(
    source: str, class_name: str, config: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the parameters of :func:`load_reference`'s module as differentiable functions of the reference's.

    The map is linear; gradients flow back through it, so that gradients of both parametrisations can be compared.
    """
    builder, bare = _builder(source, class_name)
    _, convert = builder(dict(config))
    reader = StateReader(state_dict)
    converted: dict[str, Tensor] = convert(reader)
    reader.finish(f"{source} {bare}")
    return converted
