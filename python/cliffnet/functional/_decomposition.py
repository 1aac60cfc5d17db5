"""Bivectors as sums of commuting simple ones."""

import math

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._antisymmetric import antisymmetric, from_antisymmetric
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import apply, move, multiply
from cliffnet.functional._refusals import TOLERANCE, refuse_other_grades, refuse_where
from cliffnet.functional._study import planes_of


def invariant_decomposition(
    a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Split bivectors into commuting simple ones: ``B = b_1 + ... + b_k``, ``b_i b_j = b_j b_i``, each square a scalar.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: bivectors.
    algebra : Algebra
        The algebra of ``a``, with ``n`` generators.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result is
        on the bivectors of the generators that ``layout`` uses.

    Returns
    -------
    Tensor
        Shape ``(..., k, num_blades)``, or the size of the layout, with ``k = n // 2`` (or half the number of
        generators that ``layout`` uses): by falling magnitude of the square ``b_i^2``. Some may be zero.

    Raises
    ------
    DomainError
        If coefficients of other grades are there, or no such split with real parts is found: two squares are a complex
        pair, as they can be with two positive and two negative generators, or coincide without planes of their own, as
        in sums of null bivectors. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    The squares are the double eigenvalues of the square of ``A: x -> (B x - x B) / 2`` on vectors. For each of them a
    polynomial in ``A^2`` takes a vector into its plane, where ``b = A v ^ v / v^2``. Where squares coincide (isoclinic
    bivectors), the planes are not unique; the vector then starts from the generator that it is longest for. Equivariant
    under Pin where they are unique. Differentiable to second order there; where squares coincide, derivatives are
    those of the chosen planes with the squares held fixed, finite but not unique.

    References
    ----------
    Roelfs and De Keninck, Graded symmetry groups: plane and simple, 2021; arXiv:2107.03771.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(4)
    >>> bivector = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 3.0])
    >>> F.invariant_decomposition(bivector, algebra, layout=algebra.bivectors).round(decimals=4) + 0.0
    tensor([[0., 0., 0., 0., 0., 3.],
            [1., 0., 0., 0., 0., 0.]])
    """
    return apply(_decompose, a, algebra, layout, out_layout)


def _decompose(values: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    planes = planes_of(layout.key)
    outside = refuse_other_grades(values, layout, (2,), "invariant_decomposition", "bivectors")
    bivector = move(values, layout, planes)
    # of m generators there are m (m - 1) / 2 planes
    count = (1 + math.isqrt(1 + 8 * planes.size)) // 4
    if count < 2:
        parts = bivector.unsqueeze(-2).expand(*bivector.shape[:-1], count, -1)
    else:
        parts = _split(antisymmetric(bivector, planes), count, planes)
    if outside is not None:
        parts = torch.where(outside.unsqueeze(-1), torch.nan, parts)
    return parts, planes


def _split(matrix: Tensor, count: int, layout: Layout) -> Tensor:
    """Split the antisymmetric matrix of a bivector; return bivectors, stacked."""
    metric = constant(layout.algebra.metric, matrix.dtype, matrix.device)
    action = matrix * metric
    squares, is_complex = _squares(action, count)
    scale = action.detach().abs().amax((-2, -1)) ** 2
    parts, rest = [], matrix
    for index in range(count - 1):
        plane = _plane(rest * metric, squares[..., index:], metric, scale)
        parts.append(plane)
        rest = rest - plane
    stacked = torch.stack([*parts, rest], -3)
    each, whole = (stacked * metric).detach(), action.detach().unsqueeze(-3)
    commutator = (each @ whole - whole @ each).abs().amax((-3, -2, -1))
    result = from_antisymmetric(stacked, layout)
    last = result[..., -1, :].detach()
    wedge = multiply("outer_product", last, last, layout, layout, layout.product(layout, "outer_product"))
    # planes of their own commute with the whole; a null bivector is measured against itself
    limit = TOLERANCE[matrix.dtype] * torch.maximum(scale, matrix.detach().abs().amax((-2, -1)) ** 2)
    failed = ((commutator > limit) | (wedge.abs().amax(-1) > limit) | is_complex) & scale.isfinite()
    refuse_where(failed, lambda: _no_split(is_complex))
    return torch.where(failed[..., None, None], torch.nan, result)


def _squares(action: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the double eigenvalues of ``A^2`` by falling magnitude, and where they are not real."""
    fixed = action.detach()
    eigenvalues = torch.linalg.eigvals(torch.where(fixed.isfinite().all(-1).all(-1)[..., None, None], fixed, 0.0))
    # the real and imaginary parts of the squares
    real = eigenvalues.real * eigenvalues.real - eigenvalues.imag * eigenvalues.imag
    imaginary = 2 * eigenvalues.real * eigenvalues.imag
    size = fixed.abs().amax((-2, -1)) ** 2
    is_complex = (imaginary.abs() > TOLERANCE[action.dtype] * size.unsqueeze(-1)).any(-1)
    # of an odd number the one nearest to zero has no partner; partners stand side by side when sorted
    order = real.abs().argsort(-1, descending=True)[..., : 2 * count]
    pairs = real.gather(-1, order).sort(-1).values.unflatten(-1, (count, 2)).mean(-1)
    squares = pairs.gather(-1, pairs.abs().argsort(-1, descending=True))
    return _with_derivatives(squares, action), is_complex


def _with_derivatives(squares: Tensor, action: Tensor) -> Tensor:
    """Give eigenvalues the derivatives of roots of the characteristic polynomial, up to the second.

    Two steps of Newton's iteration from a root carry the derivatives; what they change in its value is rounding, and
    dropped.
    """
    count = squares.shape[-1]
    square = action @ action
    power, sums = square, [square.diagonal(dim1=-2, dim2=-1).sum(-1) / 2]
    for _ in range(count - 1):
        power = power @ square
        sums.append(power.diagonal(dim1=-2, dim2=-1).sum(-1) / 2)
    # Newton's identities, from sums of powers to the coefficients
    coefficients = [torch.ones_like(sums[0])]
    for order in range(1, count + 1):
        terms = [(-1) ** (i - 1) * coefficients[order - i] * sums[i - 1] for i in range(1, order + 1)]
        coefficients.append(torch.stack(terms).sum(0) / order)
    gaps = squares.unsqueeze(-1) - squares.unsqueeze(-2) + torch.eye(count, dtype=squares.dtype, device=squares.device)
    simple = (gaps.abs() > TOLERANCE[squares.dtype] * squares.abs().amax(-1)[..., None, None]).all(-1)
    root = squares
    for _ in range(2):
        value, slope = torch.zeros_like(root), torch.zeros_like(root)
        for order, coefficient in enumerate(coefficients):
            slope = slope * root + value
            value = value * root + (-1) ** order * coefficient.unsqueeze(-1)
        root = root - torch.where(simple, value, 0.0) / torch.where(simple, slope, 1.0)
    return squares + (root - root.detach())


def _plane(action: Tensor, squares: Tensor, metric: Tensor, scale: Tensor) -> Tensor:
    """Return the simple part that belongs to the first eigenvalue, as an antisymmetric matrix; zero if it is nilpotent.

    ``action`` has the eigenvalues given; those of parts that were split off are zero by now. What is small is small
    against ``scale``.
    """
    own, *others = (square[..., None, None] for square in squares.unbind(-1))
    largest = squares.detach().abs().amax(-1)[..., None, None]
    rounding = 64 * torch.finfo(action.dtype).eps
    negligible = rounding * scale[..., None, None]
    vectors = action
    # close eigenvalues first: dividing by small gaps magnifies what rounding put elsewhere, which the rest takes out
    for close in (True, False):
        for other in others:
            distance = (own - other).detach().abs()
            applies = (distance > rounding * largest) & ((distance < 0.1 * largest) == close)
            gap = torch.where(applies, own - other, 1.0)
            vectors = torch.where(applies, (action @ (action @ vectors) - other * vectors) / gap, vectors)
    is_semisimple = own.detach().abs() > negligible
    vectors = action @ (action @ vectors) / torch.where(is_semisimple, own, 1.0)
    lengths = (vectors * vectors * metric.unsqueeze(-1)).sum(-2)
    start = lengths.detach().abs().argmax(-1, keepdim=True)
    chosen = (torch.arange(lengths.shape[-1], device=lengths.device) == start).to(action.dtype)
    vector = (vectors * chosen.unsqueeze(-2)).sum(-1, keepdim=True)
    length = (lengths * chosen).sum(-1)[..., None, None]
    exists = is_semisimple & (length.detach().abs() > negligible)
    vector, length = torch.where(exists, vector, 0.0), torch.where(exists, length, 1.0)
    turned = action @ vector
    return (turned @ vector.mT - vector @ turned.mT) / length


def _no_split(is_complex: Tensor) -> str:
    if is_complex.any():
        return (
            "the bivector has no invariant decomposition into real parts: the squares of its simple parts are a "
            "complex pair. F.exp does not need one"
        )
    return (
        "the bivector has no invariant decomposition: squares of its simple parts coincide without planes of their "
        "own. F.exp does not need one"
    )
