"""The most general linear map between multivector channels that commutes with the Pin group."""

import math

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.nn.config import INITIALIZATIONS, check_choice
from cliffnet.nn.layout import check_multivectors, check_scalars
from cliffnet.ops import Streams, linear_streams

# Scale of the weights, scale of the maps to scalars, mean of the bias, per initialisation scheme.
_SCHEMES = {
    "default": (1.0, 1.0, 0.0),
    "small": (0.1, 0.1, 0.0),
    "unit_scalar": (0.1, 1.0, 1.0),
    "almost_unit_scalar": (0.5, 1.0, 1.0),
}


def map_gains(algebra: Algebra) -> tuple[float, ...]:
    r"""Return the initial scale of each equivariant map, so that outputs keep the variance of inputs.

    Maps that raise a grade by a null generator, and the projections more than half of whose outputs such maps
    reach as well, get :math:`\sqrt{1/2}`; all others 1. In Cl(3,0,1) these are the empirical factors of GATr,
    which are stated there for maps of unit Frobenius norm.
    """
    outputs = [{out for out, _, _ in entries} for entries in algebra.equivariant_maps("pin").entries]
    projections = len(set(algebra.grades))
    shared = set().union(*outputs[projections:]) if len(outputs) > projections else set()
    gains = []
    for index, reached in enumerate(outputs):
        halved = index >= projections or 2 * len(reached & shared) > len(reached)
        gains.append(math.sqrt(0.5) if halved else 1.0)
    return tuple(gains)


class EquivariantLinear(nn.Module):
    r"""Pin-equivariant linear layer on multivectors, with an optional stream of invariant scalars.

    .. math:: y_o = \sum_{c, a} w_{o c a}\, M_a x_c + (b_o + \sum_s u_{o s} s_s)\,1, \qquad
              t_r = b'_r + \sum_c v_{r c} \langle x_c \rangle_0 + \sum_s v'_{r s} s_s

    with :math:`M_a` the equivariant maps of the algebra (grade projections, and in degenerate algebras
    multiplications by null generators), entries :math:`\pm 1`.

    Parameters
    ----------
    in_mv_channels, out_mv_channels : int
        Multivector channels.
    in_scalar_channels, out_scalar_channels : int or None
        Scalar channels; None where there are none.
    algebra : Algebra
        Algebra of the multivectors.
    bias : bool
        Whether to add a bias to the scalar components and the scalar outputs.
    initialization : {"default", "small", "unit_scalar", "almost_unit_scalar"}
        ``"default"`` keeps the variance, ``"small"`` a tenth of the scale; the other two give multivectors near 1.
    allow_missing_scalars : bool
        Whether a layer with scalar inputs may be called without them.
    keeps_outputs : bool
        Whether an equivariant linear layer that follows keeps the outputs for its backward pass. Otherwise it calls
        for them again there, which takes this layer's time and saves their memory.

    Notes
    -----
    Equivariant: ``f(g.x, s) = g.f(x, s)`` for every ``g`` in the Pin group. Brehmer et al. 2023, Eq. 5.
    """

    def __init__(
        self,
        in_mv_channels: int,
        out_mv_channels: int,
        in_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        *,
        algebra: Algebra,
        bias: bool = True,
        initialization: str = "default",
        allow_missing_scalars: bool = False,
        keeps_outputs: bool = True,
    ) -> None:
        super().__init__()
        check_choice("initialization", initialization, INITIALIZATIONS)
        if in_mv_channels < 1 or out_mv_channels < 1:
            raise ConfigError(
                f"multivector channels are {in_mv_channels} -> {out_mv_channels}; both must be at least 1"
            )
        if _SCHEMES[initialization][2] and not bias:
            raise ConfigError(f"the initialization {initialization!r} lives in the bias; it cannot go with bias=False")
        self.algebra = algebra
        self.maps = algebra.equivariant_maps("pin")
        self.in_mv_channels, self.out_mv_channels = in_mv_channels, out_mv_channels
        self.in_scalar_channels, self.out_scalar_channels = in_scalar_channels or None, out_scalar_channels or None
        self.initialization = initialization
        self.allow_missing_scalars, self.keeps_outputs = allow_missing_scalars, keeps_outputs
        self.weight = nn.Parameter(torch.empty(out_mv_channels, in_mv_channels, len(self.maps)))
        self.bias = nn.Parameter(torch.empty(out_mv_channels)) if bias else None
        self.scalar_to_mv: nn.Parameter | None = None
        self.mv_to_scalar: nn.Parameter | None = None
        self.scalar_to_scalar: nn.Parameter | None = None
        self.scalar_bias: nn.Parameter | None = None
        if self.in_scalar_channels is not None:
            self.scalar_to_mv = nn.Parameter(torch.empty(out_mv_channels, self.in_scalar_channels))
        if self.out_scalar_channels is not None:
            self.mv_to_scalar = nn.Parameter(torch.empty(self.out_scalar_channels, in_mv_channels))
            self.scalar_bias = nn.Parameter(torch.empty(self.out_scalar_channels)) if bias else None
            if self.in_scalar_channels is not None:
                self.scalar_to_scalar = nn.Parameter(torch.empty(self.out_scalar_channels, self.in_scalar_channels))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, initialization: str | None = None, rows: slice | None = None) -> None:
        """Draw all parameters afresh from uniform distributions around zero (or around 1 for the unit schemes).

        Parameters
        ----------
        initialization : str, optional
            Another scheme than the one of the constructor.
        rows : slice, optional
            Only redraw these multivector outputs, and leave the scalar outputs alone.
        """
        scheme = self.initialization if initialization is None else initialization
        mv_scale, scalar_scale, shift = _SCHEMES[scheme]
        rows = slice(None) if rows is None else rows
        from_mv, from_scalars = self.in_mv_channels, self.in_scalar_channels or 0
        # Where scalars come in too, each stream gives half of the variance of the scalar components.
        share = math.sqrt(0.5) if from_scalars else 1.0
        for index, gain in enumerate(map_gains(self.algebra)):
            bound = (share if index == 0 else 1.0) * gain * mv_scale / math.sqrt(from_mv)
            self.weight[rows, :, index].uniform_(-bound, bound)
        if self.scalar_to_mv is not None:
            bound = share * mv_scale / math.sqrt(from_scalars)
            self.scalar_to_mv[rows].uniform_(-bound, bound)
        if self.bias is not None:
            bound = 1.0 / math.sqrt(from_scalars + from_mv) if from_scalars or shift else 0.0
            self.bias[rows].uniform_(shift - bound, shift + bound)
        if rows == slice(None):
            self._reset_scalar_outputs(scalar_scale)

    def _reset_scalar_outputs(self, scale: float) -> None:
        if self.mv_to_scalar is None:
            return
        streams = [self.mv_to_scalar]
        if self.scalar_to_scalar is not None:
            streams.append(self.scalar_to_scalar)
        for weight in streams:
            bound = scale / math.sqrt(weight.shape[1] * len(streams))
            weight.uniform_(-bound, bound)
        if self.scalar_bias is not None:
            bound = scale / math.sqrt(sum(weight.shape[1] for weight in streams))
            self.scalar_bias.uniform_(-bound, bound)

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None) -> Streams:
        """Map multivectors and scalars.

        Parameters
        ----------
        multivectors : Tensor
            Shape (..., in_mv_channels, B).
        scalars : Tensor, optional
            Shape (..., in_scalar_channels).

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., out_mv_channels, B) and (..., out_scalar_channels).

        Raises
        ------
        ShapeError
            If channels or blades do not fit this layer, or scalars are missing.
        """
        check_multivectors(multivectors, self.in_mv_channels, self.algebra)
        if scalars is not None or not self.allow_missing_scalars:
            check_scalars(scalars, self.in_scalar_channels, multivectors.shape[:-2])
        scalar_to_mv, scalar_to_scalar, bias = self.scalar_to_mv, self.scalar_to_scalar, self.bias
        if scalars is None and scalar_to_mv is not None:
            # What allow_missing_scalars reproduces loses the bias together with the scalars.
            scalar_to_mv = scalar_to_scalar = bias = None
        return linear_streams(
            multivectors,
            scalars,
            self.weight,
            bias,
            scalar_to_mv,
            self.mv_to_scalar,
            scalar_to_scalar,
            self.scalar_bias,
            self.maps.number,
            not self.keeps_outputs,
        )

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return (
            f"{self.in_mv_channels}, {self.out_mv_channels}, in_scalar_channels={self.in_scalar_channels}, "
            f"out_scalar_channels={self.out_scalar_channels}, algebra={self.algebra}, bias={self.bias is not None}"
        )
