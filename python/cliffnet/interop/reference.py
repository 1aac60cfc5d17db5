"""The one entry point for models of reference implementations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from cliffnet.errors import ConfigError
from cliffnet.interop import _cgenn_models, _egnn, _gatr
from cliffnet.interop._cgenn_layers import is_algebra_buffer
from cliffnet.interop._state import Built, State, StateReader


@dataclass(frozen=True)
class _Source:
    """Classes of a reference implementation, and which entries of its state dicts are no parameters."""

    classes: Mapping[str, Callable[[dict[str, Any]], Built]]
    ignores: Callable[[str], bool] = lambda name: False


_SOURCES = {
    "gatr": _Source(_gatr.CLASSES),
    "egnn": _Source(_egnn.CLASSES),
    "cgenn": _Source(_cgenn_models.CGENN, is_algebra_buffer),
    "glgenn": _Source(_cgenn_models.GLGENN, is_algebra_buffer),
}


def _build(
    source: str, class_name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]
) -> tuple[nn.Module, State]:
    """Return the module of a class of a source, and its state made of the reference's."""
    if source not in _SOURCES:
        raise ConfigError(f"source is {source!r}; supported are {', '.join(_SOURCES)}")
    classes = _SOURCES[source].classes
    # where two modules have a class of one name, it is listed with its module
    parts = class_name.split(".")
    known = [name for start in range(len(parts)) if (name := ".".join(parts[start:])) in classes]
    if not known:
        raise ConfigError(f"{source} has no supported class {class_name!r}; supported are {', '.join(classes)}")
    module, convert = classes[known[0]](dict(config))
    ignores = _SOURCES[source].ignores
    reader = StateReader({name: value for name, value in state_dict.items() if not ignores(name)})
    converted = convert(reader)
    reader.finish(f"{source} {known[0]}")
    return module, converted


def load_reference(source: str, class_name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> nn.Module:
    """Build the cliffnet module that computes what a module of a reference implementation computes.

    Parameters
    ----------
    source : {"gatr", "cgenn", "glgenn", "egnn"}
        The implementation: GATr 1.4, the Clifford group equivariant networks of Ruhe et al., GLGENN of Filimoshina and
        Shirokov, or vgsatorras/egnn.
    class_name : str
        Class name there, bare (``"GATr"``) or dotted (``"gatr.nets.GATr"``). EGNN has two classes ``E_GCL``: the bare
        name is that of ``egnn_clean``, ``"gcl.E_GCL"`` the other.
    config : mapping
        Constructor arguments by the names they have there. Classes that take an algebra get it as ``metric``, the
        squares of the generators; those with an algebra of their own may be given another one so.
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

    Graphs follow PyTorch Geometric's convention here: ``edge_index[0]`` sends and ``edge_index[1]`` receives. In CGENN,
    GLGENN and EGNN the first row receives: give ``edge_index.flip(0)``.
    """
    module, converted = _build(source, class_name, config, state_dict)
    floating = [value.dtype for value in converted.values() if value.is_floating_point()]
    if floating:
        module.to(floating[0])
    module.load_state_dict({name: value.detach() for name, value in converted.items()})
    return module


def convert_reference_state(
    source: str, class_name: str, config: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the parameters of :func:`load_reference`'s module as differentiable functions of the reference's.

    The map is linear; gradients flow back through it, so that gradients of both parametrisations can be compared.
    """
    return _build(source, class_name, config, state_dict)[1]
