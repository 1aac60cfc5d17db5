"""The exponential of bivectors: rotors and motors of every signature."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._entire import cosh_sinhc, cosh_sinhc_study
from cliffnet.functional._layouts import apply, move
from cliffnet.functional._matrix import from_matrix, to_matrix
from cliffnet.functional._refusals import refuse_other_grades
from cliffnet.functional._study import WIDE, Frame, frame, gather_even, scalar_square, square_parts, times_bivector


def exp(a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Exponentiate bivectors: ``exp(B) = 1 + B + B^2 / 2 + ...``, the rotor or motor that ``B`` generates.

    A scalar part is taken along, ``exp(s + B) = exp(s) exp(B)``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: bivectors, or scalars plus bivectors.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result is
        on the even blades made of the generators that ``layout`` uses.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: even elements with ``R reverse(R) = exp(2 s)``.

    Raises
    ------
    DomainError
        If a coefficient of another grade is larger than rounding (1e-3 of the largest in single precision, 1e-5 in
        double). Smaller ones are dropped. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    Equivariant under Pin: ``exp(g.B) = g.exp(B)``. With at most five generators in use, ``B^2 = s + w`` with ``w`` of
    grade 4 and a scalar square, and ``exp(B) = C(B^2) + S(B^2) B`` with the entire functions
    ``C(z) = cosh(sqrt z)`` and ``S(z) = sinh(sqrt z) / sqrt z``: one closed form for every metric, whose
    derivatives are finite everywhere, also at zero and at null and isoclinic bivectors. From six generators on, the
    exponential of the matrix of :func:`to_matrix`.

    References
    ----------
    Roelfs and De Keninck, Graded symmetry groups: plane and simple, 2021; arXiv:2107.03771.
    De Keninck and Roelfs, Normalization, square roots, and the exponential and logarithmic maps in geometric algebras
    of less than 6D, Math. Meth. Appl. Sci., 2022.

    Examples
    --------
    >>> import math, torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> F.exp(torch.tensor([math.pi / 3]), algebra, layout=algebra.bivectors)
    tensor([0.5000, 0.8660])
    """
    return apply(exp_on_layout, a, algebra, layout, out_layout)


def exp_on_layout(values: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    """Return the exponential and its layout."""
    outside = refuse_other_grades(values, layout, (0, 2), "exp", "bivectors (a scalar part is allowed)")
    layouts = frame(layout.key)
    bivector = move(values, layout, layouts.bivectors)
    if not layouts.bivectors.size:
        result = torch.ones_like(move(values, layout, layouts.scalars))
    elif layouts.dim < WIDE:
        result = exp_of_bivector(bivector, layouts)
    else:
        matrix = to_matrix(bivector, layout.algebra, layout=layouts.bivectors)
        result = from_matrix(torch.linalg.matrix_exp(matrix), layout.algebra, out_layout=layouts.even)
    if 0 in layout.grades:
        result = move(values, layout, layouts.scalars).exp() * result
    if outside is not None:
        result = torch.where(outside, torch.nan, result)
    return result, layouts.even


def exp_of_bivector(bivector: Tensor, layouts: Frame) -> Tensor:
    """Return the exponential on ``layouts.even``, of at most five generators."""
    if not layouts.quadvectors.size:
        cosh, sinhc = cosh_sinhc(scalar_square(bivector, layouts.bivectors, layouts))
        return gather_even(cosh, sinhc * bivector, None, layouts)
    scalar, quadvector = square_parts(bivector, layouts)
    mu = scalar_square(quadvector, layouts.quadvectors, layouts)
    cosh, cosh_along, sinhc, sinhc_along = cosh_sinhc_study(scalar, mu)
    part = sinhc * bivector + sinhc_along * times_bivector(quadvector, bivector, layouts)
    return gather_even(cosh, part, cosh_along * quadvector, layouts)
