"""Linear maps between channels that act on blades through a fixed family of maps."""

from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet.algebra import LinearMaps
from cliffnet.errors import AlgebraMismatchError, ShapeError
from cliffnet.functional._checks import check_multivector, check_strided, check_together
from cliffnet.ops import equivariant_linear as _operator

_is_traced: Callable[[], bool] = torch.compiler.is_dynamo_compiling

# stands for no bias
_NONE = torch.empty(0)


def equivariant_linear(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None = None) -> Tensor:
    """Mix channels with one weight per pair of channels and linear map.

    ``out[o] = sum over i, m of weight[o, i, m] maps[m](x[i])``, computed as one matrix product per map and blade that
    it reaches rather than with dense matrices over blades.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., C_in, num_blades)``.
    weight : Tensor
        Shape ``(C_out, C_in, len(maps))``.
    maps : LinearMaps
        For example ``algebra.equivariant_maps("pin")`` or ``partition.projections()``.
    bias : Tensor, optional
        Added to the scalar component: shape ``(C_out,)``, or ``(..., C_out)`` with the leading axes of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., C_out, num_blades)``, blade-major if ``x`` is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra of the maps, or the weight or bias does not fit.

    Notes
    -----
    Commutes with every group that the maps commute with; the bias is invariant.

    References
    ----------
    Brehmer et al., Geometric Algebra Transformer, 2023, Eq. 2; arXiv:2305.18415.
    """
    if not _is_traced() and type(maps) is LinearMaps and (bias is None or (isinstance(bias, Tensor) and bias.numel())):
        # the kernel checks its operands too; what it does not take is checked in full, for the words of the errors
        result: Tensor = _operator.direct(x, weight, _NONE if bias is None else bias, maps.number)
        if result is not NotImplemented:
            return result
    _check_arguments(x, weight, maps, bias)
    routed: Tensor = _operator.routed(x, weight, x.new_empty(0) if bias is None else bias, maps.number)
    return routed


def _check_arguments(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None) -> None:
    if not isinstance(maps, LinearMaps):
        raise AlgebraMismatchError(
            f"the maps are a {type(maps).__name__}, expected LinearMaps such as algebra.equivariant_maps('pin')"
        )
    check_multivector(x, maps.algebra, "x")
    others = [("the weight", weight)] if bias is None else [("the weight", weight), ("the bias", bias)]
    for name, tensor in others:
        check_strided(tensor, name)
        check_together(x, tensor, f"x and {name}")
    if x.dim() < 2:
        raise ShapeError(f"x has shape {tuple(x.shape)}, expected (..., channels, {maps.algebra.num_blades})")
    if weight.dim() != 3 or weight.shape[1] != x.shape[-2] or weight.shape[2] != len(maps):
        raise ShapeError(
            f"the weight has shape {tuple(weight.shape)}, expected (C_out, {x.shape[-2]}, {len(maps)}): "
            f"{x.shape[-2]} input channels and {len(maps)} maps"
        )
    if bias is None:
        return
    expected = (*x.shape[:-2], weight.shape[0])
    aligned = zip(reversed(bias.shape), reversed(expected), strict=False)
    if not 0 < bias.dim() <= len(expected) or any(size != 1 and size != full for size, full in aligned):
        raise ShapeError(
            f"the bias has shape {tuple(bias.shape)}, expected ({weight.shape[0]},) or {expected}: one entry per "
            "output channel, with the leading axes of x or without"
        )
