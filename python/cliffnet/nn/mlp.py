"""Bilinear layer and MLP of geometric transformers."""

from collections.abc import Sequence

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.nn.activation import ScalarGatedNonlinearity
from cliffnet.nn.attention_features import volume_blade
from cliffnet.nn.config import Compatibility
from cliffnet.nn.dropout import GradeDropout
from cliffnet.nn.linear import EquivariantLinear
from cliffnet.ops import Streams, product_and_join


def equivariant_join(x: Tensor, y: Tensor, reference: Tensor, algebra: Algebra) -> Tensor:
    r"""Join two multivectors, with the orientation that a reference multivector gives.

    .. math:: J(x, y; z) = z_V\, (x^* \wedge y^*)^*

    where the star is the right complement and :math:`z_V` the coefficient of z on the product of all generators
    that are not null (e123 in Cl(3,0,1)). The bare join changes sign under mirrors; so does that coefficient.

    Parameters
    ----------
    x, y : Tensor
        Shape (..., B).
    reference : Tensor
        Shape (..., B), broadcasting with the others.
    algebra : Algebra
        Algebra of the multivectors.

    Returns
    -------
    Tensor
        Shape (..., B).

    Notes
    -----
    Pin-equivariant: ``J(g.x, g.y; g.z) = g.J(x, y; z)``. Brehmer et al. 2023, Eq. 6.
    """
    index = volume_blade(algebra)
    return F.projective_join(x, y, algebra) * reference[..., index : index + 1]


class GeometricBilinear(nn.Module):
    """Geometric products and joins of linear images of the input, mixed by a linear layer.

    Half of the hidden channels are geometric products of two linear images of the multivectors, the other half
    their equivariant joins.

    Parameters
    ----------
    in_mv_channels, out_mv_channels : int
        Multivector channels.
    in_scalar_channels, out_scalar_channels : int or None
        Scalar channels, None where there are none.
    hidden_mv_channels : int, optional
        Even number of hidden channels; as many as output channels if not given.
    algebra : Algebra
        Algebra of the multivectors.
    allow_missing_scalars : bool
        Whether a layer with scalar inputs may be called without them.

    Notes
    -----
    Pin-equivariant in multivectors and reference together. Brehmer et al. 2023, section 3.2.
    """

    def __init__(
        self,
        in_mv_channels: int,
        out_mv_channels: int,
        in_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        hidden_mv_channels: int | None = None,
        *,
        algebra: Algebra,
        allow_missing_scalars: bool = False,
    ) -> None:
        super().__init__()
        hidden = out_mv_channels if hidden_mv_channels is None else hidden_mv_channels
        if hidden < 2 or hidden % 2:
            raise ConfigError(
                f"the bilinear layer has {hidden} hidden channels; one half are products and one half joins, so give "
                "an even hidden_mv_channels (without it the output channels count)"
            )
        self.algebra = algebra
        self.half_width = hidden // 2
        self.product = algebra.product_plan("geometric_product")
        self.join = algebra.product_plan("projective_join")
        self.orientation = volume_blade(algebra)
        # Left and right factors of the products, then of the joins, in one layer.
        self.factor_linear = EquivariantLinear(
            in_mv_channels,
            4 * self.half_width,
            in_scalar_channels,
            algebra=algebra,
            allow_missing_scalars=allow_missing_scalars,
            keeps_outputs=False,
        )
        self.out_linear = EquivariantLinear(
            hidden,
            out_mv_channels,
            in_scalar_channels,
            out_scalar_channels,
            algebra=algebra,
            allow_missing_scalars=allow_missing_scalars,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters afresh; the right factors of products start near 1, so that products pass the left."""
        self.factor_linear.reset_parameters()
        self.factor_linear.reset_parameters("almost_unit_scalar", slice(self.half_width, 2 * self.half_width))
        self.out_linear.reset_parameters()

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None, *, reference: Tensor) -> Streams:
        """Combine (..., C, B) multivectors with themselves.

        Parameters
        ----------
        multivectors : Tensor
            Shape (..., in_mv_channels, B).
        scalars : Tensor, optional
            Shape (..., in_scalar_channels).
        reference : Tensor
            Reference multivector of the join, shape (..., B), broadcasting with (..., channels, B).

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., out_mv_channels, B) and (..., out_scalar_channels).
        """
        if reference.dim() < 1 or reference.shape[-1] != self.algebra.num_blades:
            raise ShapeError(
                f"the join reference has shape {tuple(reference.shape)}; its last axis must be the "
                f"{self.algebra.num_blades} blades of {self.algebra}"
            )
        factors, _ = self.factor_linear(multivectors, scalars)
        products = product_and_join(factors, reference, self.product, self.join, self.orientation)
        outputs: Streams = self.out_linear(products, scalars)
        return outputs


class GeometricMLP(nn.Module):
    """MLP on multivectors and scalars whose first layer is bilinear.

    Layers are a :class:`GeometricBilinear`, then for each further width a gated nonlinearity and a linear layer;
    grade dropout, if any, follows the bilinear and every linear layer.

    Parameters
    ----------
    mv_channels : sequence of int
        Multivector channels from input to output, at least two.
    scalar_channels : sequence of (int or None), optional
        Scalar channels at the same places.
    activation : str
        Gated nonlinearity.
    dropout_probability : float or None
        Grade dropout.
    algebra : Algebra
        Algebra of the multivectors.
    compatibility : Compatibility or str, optional
        Faults of a reference to reproduce.

    Notes
    -----
    Pin-equivariant in multivectors and reference together.
    """

    def __init__(
        self,
        mv_channels: Sequence[int],
        scalar_channels: Sequence[int | None] | None = None,
        *,
        algebra: Algebra,
        activation: str = "gelu",
        dropout_probability: float | None = None,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        compatibility = Compatibility.cast(compatibility)
        scalars = [None] * len(mv_channels) if scalar_channels is None else list(scalar_channels)
        if len(mv_channels) < 2 or len(scalars) != len(mv_channels):
            raise ConfigError(
                f"the MLP has multivector channels {list(mv_channels)} and scalar channels {scalars}; give at least "
                "two widths and equally many of both"
            )
        allow = compatibility.missing_scalars_are_dropped
        self.bilinear = GeometricBilinear(
            mv_channels[0], mv_channels[1], scalars[0], scalars[1], algebra=algebra, allow_missing_scalars=allow
        )
        widths = zip(mv_channels[1:-1], mv_channels[2:], scalars[1:-1], scalars[2:], strict=True)
        self.linears = nn.ModuleList(
            EquivariantLinear(*width, algebra=algebra, allow_missing_scalars=allow) for width in widths
        )
        self.activation = ScalarGatedNonlinearity(activation, mixed_gelu=compatibility.mixed_gelu)
        self.dropout: GradeDropout | None = None
        if dropout_probability is not None:
            self.dropout = GradeDropout(dropout_probability, algebra=algebra)

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None, *, reference: Tensor) -> Streams:
        """Map (..., C_first, B) multivectors and (..., S_first) scalars; see :class:`GeometricBilinear`."""
        mv, hidden = self.bilinear(multivectors, scalars, reference=reference)
        if self.dropout is not None:
            mv, hidden = self.dropout(mv, hidden)
        for linear in self.linears:
            mv, hidden = linear(*self.activation(mv, hidden))
            if self.dropout is not None:
                mv, hidden = self.dropout(mv, hidden)
        return mv, hidden
