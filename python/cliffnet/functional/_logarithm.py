"""The principal logarithm of rotors and motors."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._constants import constant
from cliffnet.functional._inverse_sinhc import by_eigenvalues, inverse_sinhc, inverse_sinhc_study
from cliffnet.functional._layouts import apply, move
from cliffnet.functional._matrix import from_matrix, to_matrix
from cliffnet.functional._refusals import (
    TOLERANCE,
    magnitude,
    refuse_other_grades,
    refuse_other_norms,
    refuse_where,
)
from cliffnet.functional._study import WIDE, Frame, frame, scalar_square, times_bivector
from cliffnet.functional._versors import blade_squares
from cliffnet.functional._wide_logarithm import log_of_wide_rotor


def log(a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return the principal logarithm of rotors and motors, the bivector ``B`` with ``exp(B) = R`` nearest to zero.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: even elements with ``R reverse(R) = 1``.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result is
        on the bivectors made of the generators that ``layout`` uses.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: bivectors. Where ``B = theta_1 b_1 + theta_2 b_2 + ...``
        rotates planes with ``b_i^2 = -1``, ``|theta_1| + |theta_2| + ... < pi``; a rotor turns vectors by twice that.

    Raises
    ------
    DomainError
        If the element is not even or not of unit norm (beyond 1e-3 in single precision, 1e-5 in double, relative to its
        coefficients); if it has infinitely many logarithms, as -1 has; if it has no real one, having an
        eigenvalue below -1; or, from six generators on, if it is no rotor. In compiled graphs and transforms the
        result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    Equivariant under Pin: ``log(g.R) = g.log(R)``. With at most five generators in use, one closed form for every
    metric: ``cosh B = <R>_0 + <R>_4`` and ``sinh B = <R>_2`` are both used, so that full accuracy is kept near the
    identity and near angles of pi. (Where a sum of two angles is near pi, the directions that turn by it are known as
    well as its sine is.) From six generators on, a square root of the matrix of :func:`to_matrix` and then functions of
    a matrix of the size of a vector; within about 1e-4 of an angle of pi its iteration stops converging, and the
    element is refused.

    References
    ----------
    De Keninck and Roelfs, Normalization, square roots, and the exponential and logarithmic maps in geometric algebras
    of less than 6D, Math. Meth. Appl. Sci., 2022.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> bivector = torch.tensor([0.1, -0.5, 0.7])
    >>> rotor = F.exp(bivector, algebra, layout=algebra.bivectors)
    >>> F.log(rotor, algebra, layout=algebra.even)
    tensor([ 0.1000, -0.5000,  0.7000])
    """
    return apply(
        lambda values, at: log_on_layout(values, at, "log", TOLERANCE[a.dtype]), a, algebra, layout, out_layout
    )


def log_on_layout(values: Tensor, layout: Layout, name: str, tolerance: float) -> tuple[Tensor, Layout]:
    """Return the logarithm and its layout; errors speak of the function of the given name.

    The norm may be off by the tolerance, which is that of the argument's own precision.
    """
    algebra, layouts = layout.algebra, frame(layout.key)
    outside = refuse_other_grades(values, layout, range(0, algebra.dim + 1, 2), name, "even elements")
    rotor = move(values, layout, layouts.even)
    refused = refuse_other_norms(rotor, layouts, name, tolerance)
    if outside is not None:
        refused = refused | outside
    if not layouts.bivectors.size:
        # one and minus one: zero, or NaN where there is no logarithm, stands on the scalars
        result, failed = rotor * 0, rotor < 0
    elif layouts.dim < WIDE:
        result = log_of_rotor(rotor, layouts)
        failed = result.isnan().any(-1, keepdim=True) | _turns_fully(rotor, layouts)
    else:
        result = log_of_wide_rotor(rotor, layouts, algebra)
        failed = result.isnan().any(-1, keepdim=True) | _misses(result, rotor, layouts, tolerance)
    failed = failed & ~rotor.isnan().any(-1, keepdim=True)
    refuse_where(failed, lambda: _explanation(rotor, failed, layouts, name))
    result_layout = layouts.bivectors if layouts.bivectors.size else layouts.scalars
    return torch.where(refused | failed, torch.nan, result), result_layout


def log_of_rotor(rotor: Tensor, layouts: Frame) -> Tensor:
    """Return the logarithm on ``layouts.bivectors``, of at most five generators; NaN outside the domain."""
    parts = move(rotor, layouts.even, layouts.split)
    p, w, bivector = parts[..., :1], parts[..., 1 : layouts.study.size], parts[..., layouts.study.size :]
    g = scalar_square(bivector, layouts.bivectors, layouts)
    if not layouts.quadvectors.size:
        return inverse_sinhc(g, p) * bivector
    mu = scalar_square(w, layouts.quadvectors, layouts)
    turned = times_bivector(w, bivector, layouts)
    # twice the parts of the bivector that belong to the eigenvalues p + sqrt(mu) and p - sqrt(mu)
    ratio = turned / torch.where(by_eigenvalues(mu, g), mu, 1.0).sqrt()
    eigen = torch.stack((bivector + ratio, bivector - ratio), -2)
    squares = scalar_square(eigen, layouts.bivectors, layouts).squeeze(-1).unsqueeze(-2) / 2
    scalar, along = inverse_sinhc_study(p, mu, g, squares)
    return scalar * bivector + along * turned


def _turns_fully(rotor: Tensor, layouts: Frame) -> Tensor:
    """Tell where a rotor is minus one but for rounding and null directions, with an axis of one."""
    squares = constant(blade_squares(layouts.bivectors.key), rotor.dtype, rotor.device)
    planes = move(rotor.detach(), layouts.even, layouts.bivectors).where(squares != 0, 0.0)
    rounding = 8 * torch.finfo(rotor.dtype).eps * magnitude(rotor)
    scalar = move(rotor.detach(), layouts.even, layouts.scalars)
    return (scalar < 0) & (planes.abs() <= rounding).all(-1, keepdim=True) & (scalar + 1 <= rounding)


def _misses(result: Tensor, rotor: Tensor, layouts: Frame, tolerance: float) -> Tensor:
    """Tell where a wide logarithm does not lead back to the rotor, with an axis of one."""
    algebra = layouts.even.algebra
    matrix = to_matrix(result.detach().nan_to_num(), algebra, layout=layouts.bivectors)
    back = from_matrix(torch.linalg.matrix_exp(matrix), algebra, out_layout=layouts.even)
    error = (back - rotor.detach()).abs().amax(-1, keepdim=True)
    return ~(error <= tolerance * magnitude(rotor))


def _explanation(rotor: Tensor, failed: Tensor, layouts: Frame, name: str) -> str:
    """Say why the first rotor without a logarithm has none."""
    first = rotor[failed.squeeze(-1)][0].detach()
    scalar = move(first, layouts.even, layouts.scalars)
    if scalar < 0 and (first.abs() > TOLERANCE[rotor.dtype]).sum() <= 1:
        return (
            f"{name} was given minus one (up to rounding), a full turn in a plane that it does not determine: it has "
            "infinitely many logarithms. Take the negative of the rotor, which acts the same"
        )
    if layouts.dim >= WIDE:
        return (
            f"{name} was given an even element of unit norm that is no rotor, or one whose logarithm is not real or "
            "not unique (an eigenvalue of -1 or below). Make it a rotor with F.normalize, or take its negative, "
            "which acts the same"
        )
    return (
        f"{name} was given a rotor with an eigenvalue of -1 or below, such as the negative of a boost: it has no real "
        "or no unique logarithm. Take the negative of the rotor, which acts the same"
    )
