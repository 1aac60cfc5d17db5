"""Linear maps between channels that act on blades through a fixed family of maps."""

import torch
from torch import Tensor

from cliffnet.algebra import LinearMaps
from cliffnet.errors import ShapeError
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._format import is_blade_major


def equivariant_linear(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None = None) -> Tensor:
    """Mix channels with one weight per pair of channels and linear map.

    ``out[o] = sum over i, m of weight[o, i, m] maps[m](x[i])``, computed as one small matrix product per blade
    rather than with dense matrices over blades.

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
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra of the maps, or the weight does not fit.

    Notes
    -----
    Commutes with every group that the maps commute with; the bias is invariant.

    References
    ----------
    Brehmer et al., Geometric Algebra Transformer, 2023, Eq. 2; arXiv:2305.18415.
    """
    algebra = maps.algebra
    check_multivector(x, algebra, "x")
    _check_weight(x, weight, maps)
    planes = x.movedim(-1, 0)
    leading = planes.shape[1:-1]
    planes = planes.flatten(1, -2) if planes.dim() > 2 else planes.unsqueeze(1)
    by_map = weight.movedim(-1, 0)
    out, pending, targets = None, [], []
    for layer in maps.layers:
        matrices = by_map.index_select(0, constant(layer.maps, torch.int64, x.device))
        if any(coefficient != 1.0 for coefficient in layer.coefficients):
            matrices = matrices * constant(layer.coefficients, matrices.dtype, x.device)[:, None, None]
        sources = planes
        if layer.in_blades != tuple(range(algebra.num_blades)):
            sources = planes.index_select(0, constant(layer.in_blades, torch.int64, x.device))
        mixed = torch.bmm(sources, matrices.mT)
        if out is None and layer.out_blades == tuple(range(algebra.num_blades)):
            out = mixed
        else:
            pending.append(mixed)
            targets.extend(layer.out_blades)
    if out is None:
        out = planes.new_zeros((algebra.num_blades, planes.shape[1], weight.shape[0]))
    if bias is not None:
        scalar_plane = bias.expand(*leading, weight.shape[0]).reshape(1, planes.shape[1], weight.shape[0])
        pending.append(scalar_plane.to(out.dtype))
        targets.append(algebra.blade_masks.index(0))
    if pending:
        added = pending[0] if len(pending) == 1 else torch.cat(pending)
        out = out.index_add(0, constant(tuple(targets), torch.int64, x.device), added)
    result = out.reshape(algebra.num_blades, *leading, weight.shape[0]).movedim(0, -1)
    return result if is_blade_major(x) else result.contiguous()


def _check_weight(x: Tensor, weight: Tensor, maps: LinearMaps) -> None:
    if x.dim() < 2:
        raise ShapeError(f"x has shape {tuple(x.shape)}, expected (..., channels, {maps.algebra.num_blades})")
    if weight.dim() != 3 or weight.shape[1] != x.shape[-2] or weight.shape[2] != len(maps):
        raise ShapeError(
            f"the weight has shape {tuple(weight.shape)}, expected (C_out, {x.shape[-2]}, {len(maps)}): "
            f"{x.shape[-2]} input channels and {len(maps)} maps"
        )
