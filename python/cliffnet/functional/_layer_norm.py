"""Layer norms of multivectors."""

from torch import Tensor

from cliffnet import ops, reference
from cliffnet.algebra import Algebra, magnitude_plan, whole_square_plan
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.functional._checks import check_algebra
from cliffnet.functional._class_invariants import check_plain


def layer_norm(
    x: Tensor, algebra: Algebra, *, by: str = "square", epsilon: float | None = None, gain: float = 1.0
) -> Tensor:
    r"""Scale multivectors by a mean over their channels.

    .. math::
        y_c = g\, x_c / \sqrt{\max(\tfrac{1}{C} \sum_{c'} |x_{c'}|^2, \epsilon)}
        \quad\text{or}\quad
        y_c = g\, x_c / (\tfrac{1}{C} \sum_{c'} \lVert x_{c'} \rVert + \epsilon)

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., C, num_blades)``.
    algebra : Algebra
        The algebra of ``x``.
    by : {"square", "norm"}
        By the mean of the invariant squares, where absolute values are taken grade by grade (GATr, L-GATr), or of the
        smooth norms ``(q^2 + 1e-16)^(1/4)`` of whole multivectors (CGENN).
    epsilon : float, optional
        Positive; 0.01 by the square, 1e-6 by the norm if omitted. Where the mean square is below it, no gradient flows
        through the mean.
    gain : float
        Target scale g.

    Returns
    -------
    Tensor
        Shape ``(..., C, num_blades)``, blade-major if ``x`` is. No mean is subtracted.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, ConfigError
        If ``x`` does not hold channels of multivectors of the algebra, or an option is out of range.

    Notes
    -----
    Equivariant under Pin.

    References
    ----------
    Brehmer et al., Geometric Algebra Transformer, 2023, section 3.2; arXiv:2305.18415.
    """
    check_algebra(algebra)
    check_plain(x, algebra)
    if x.dim() < 2:
        raise ShapeError(f"x has shape {tuple(x.shape)}, expected (..., channels, {algebra.num_blades})")
    by_square = by == "square"
    if not by_square and by != "norm":
        raise ConfigError(f"by is {by!r}; choose 'square' or 'norm'")
    floor = (0.01 if by_square else 1e-6) if epsilon is None else float(epsilon)
    if not floor > 0:
        raise ConfigError(f"epsilon is {epsilon!r}; give a positive number")
    if by_square:
        options = (magnitude_plan(algebra.full_key), reference.MAGNITUDE, 0.0, reference.INVERSE_ROOT)
    else:
        options = (whole_square_plan(algebra.full_key), reference.NORM, 1e-16, reference.INVERSE)
    result: Tensor = ops.channel_norm(x, *options, floor, float(gain))
    return result
