"""Linear maps between channels that act on blades through a fixed family of maps."""

import math

import torch
from torch import Tensor

from cliffnet.algebra import LinearMaps
from cliffnet.errors import AlgebraMismatchError, DTypeError, ShapeError
from cliffnet.functional._checks import check_multivector, check_together
from cliffnet.functional._format import is_blade_major


def equivariant_linear(x: Tensor, weight: Tensor, maps: LinearMaps, bias: Tensor | None = None) -> Tensor:
    """Mix channels with one weight per pair of channels and linear map.

    ``out[o] = sum over i, m of weight[o, i, m] maps[m](x[i])``, computed as one matrix product per map and run
    of blades (a grade, for the maps of GATr) rather than with dense matrices over blades.

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
    _check_arguments(x, weight, maps, bias)
    scalar = maps.algebra.blade_masks.index(0)
    planes = x.movedim(-1, 0)
    leading, out_channels = planes.shape[1:-1], weight.shape[0]
    rows = math.prod(leading)
    matrices = weight.permute(2, 1, 0).contiguous().unbind(0)
    sources = [
        part.reshape(run.size * rows, planes.shape[-1])
        for run, part in zip(maps.runs, planes.split([run.size for run in maps.runs]), strict=True)
    ]
    pieces = []
    for run in maps.runs:
        piece = None
        if bias is not None and run.start == scalar:
            piece = bias if bias.dim() == 1 else bias.expand(*leading, out_channels).reshape(rows, out_channels)
        for index, source, coefficient in run.sources:
            matrix = matrices[index] if coefficient == 1.0 else coefficient * matrices[index]
            piece = sources[source] @ matrix if piece is None else torch.addmm(piece, sources[source], matrix)
        piece = x.new_zeros(()) if piece is None else piece
        pieces.append(piece.expand(run.size * rows, out_channels))
    result = torch.cat(pieces).view(maps.algebra.num_blades, *leading, out_channels).movedim(0, -1)
    return result if is_blade_major(x) else result.contiguous()


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
