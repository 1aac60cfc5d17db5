"""Linear maps between channels that act on blades through a fixed family of maps."""

from torch import Tensor

from cliffnet.algebra import LinearMaps
from cliffnet.errors import AlgebraMismatchError, DTypeError, ShapeError
from cliffnet.functional._checks import FLOATING, check_multivector, check_together
from cliffnet.functional._constants import constant
from cliffnet.ops import equivariant_linear as _operator

# calling a bound method is quicker than calling an instance
_apply = _operator.__call__


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
    if not _fits(x, weight, maps, bias):
        _check_arguments(x, weight, maps, bias)
    if bias is None:
        # a tensor without entries stands for no bias
        bias = constant((), x.dtype, x.device)
    return _apply(x, weight, bias, maps.number)


def _fits(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None) -> bool:
    """Tell cheaply whether the commonest arguments are right."""
    try:
        shape, weights, dtype = x.shape, weight.shape, x.dtype
        if bias is not None and not (
            (bias.shape == weights[:1] or bias.shape == (*shape[:-2], weights[0]))
            and bias.dtype is dtype
            and bias.is_cpu
            and weights[0]
        ):
            return False
        return (
            weights[1:] == (shape[-2], len(maps.entries))
            and shape[-1] == maps.algebra.num_blades
            and weight.dtype is dtype
            and dtype in FLOATING
            and x.is_cpu
            and weight.is_cpu
        )
    except (AttributeError, IndexError):
        return False


def _check_arguments(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None) -> None:
    if not isinstance(maps, LinearMaps):
        raise AlgebraMismatchError(
            f"the maps are a {type(maps).__name__}, expected LinearMaps such as algebra.equivariant_maps('pin')"
        )
    check_multivector(x, maps.algebra, "x")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is None and name == "bias":
            continue
        if not isinstance(tensor, Tensor):
            raise DTypeError(f"the {name} is a {type(tensor).__name__}, expected a torch.Tensor")
        check_together(x, tensor, f"x and the {name}")
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
