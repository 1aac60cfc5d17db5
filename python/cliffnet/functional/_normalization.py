"""Versors of unit norm, and the norm of coefficients."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._blades import reverse
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._layouts import apply, full_unless_given, move, multiply
from cliffnet.functional._refusals import TOLERANCE, refuse_where
from cliffnet.functional._study import WIDE, Frame, frame, scalar_square
from cliffnet.functional._versors import versor_through_bivector


def coefficient_norm(a: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Return the Euclidean norm of the coefficients, whatever the metric.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(...)``. The gradient at zero is zero.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If the tensor does not fit the layout.

    Notes
    -----
    Not invariant, except under orthogonal transformations of the generators that respect their signs; the invariant
    square is :func:`norm_squared`.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.coefficient_norm(torch.tensor([3.0, 0.0, 0.0, 4.0]), Algebra(1, 1))
    tensor(5.)
    """
    check_multivector(a, algebra, layout=full_unless_given(algebra, layout))
    norm: Tensor = torch.linalg.vector_norm(a, dim=-1)
    return norm


def normalize(a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Scale versors to ``X reverse(X) = ±1``, and make even and odd elements versors on the way.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: even or odd elements, such as rotors, motors, vectors
        and blades.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result is
        on all blades of the same parity made of the generators that ``layout`` uses.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout. ``X reverse(X)`` is 1 or -1, with the sign of its scalar
        part before.

    Raises
    ------
    DomainError
        If an element mixes even and odd grades, or has no norm to divide by: null vectors, ideal points and lines,
        zero divisors, zero. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    With at most five generators in use, ``X reverse(X) = s + w`` with ``w`` of grade 4 and a scalar square, and the
    result is ``(s + w)^(-1/2) X``, or ``(-s - w)^(-1/2) X`` for negative ``s``: elements near a motor become motors.
    From six generators on, elements with a scalar ``X reverse(X)`` are divided by its root; others become the versor
    that has their grades 0 and 2 relative to their largest blade, which is not the nearest one, and is one only for
    elements that rounding took from a versor. Equivariant under Pin (where versors are given), and on at most
    five generators also ``normalize(X V) = normalize(X) V`` for unit versors ``V``.

    References
    ----------
    De Keninck and Roelfs, Normalization, square roots, and the exponential and logarithmic maps in geometric algebras
    of less than 6D, Math. Meth. Appl. Sci., 2022.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.normalize(torch.tensor([0.0, 3.0, 4.0, 0.0]), Algebra(2))
    tensor([0.0000, 0.6000, 0.8000, 0.0000])
    """
    return apply(_normalize, a, algebra, layout, out_layout)


def _normalize(values: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    layouts = frame(layout.key)
    work = layouts.even if layout.is_even else layouts.odd if layout.is_odd else layouts.even | layouts.odd
    element = move(values, layout, work)
    refused = _refuse_mixed_parity(element, work)
    reverse_element = reverse(element, layout.algebra, layout=work)
    norm = multiply("geometric_product", element, reverse_element, work, work, layouts.study)
    s, rest = norm[..., :1], norm[..., 1:]
    size = element.detach().abs().amax(-1, keepdim=True)
    singular = s.detach().abs() <= 16 * torch.finfo(values.dtype).eps * size**2
    if layouts.dim >= WIDE:
        result = _divided(element, s, singular)
        is_scalar = (rest.detach().abs() <= TOLERANCE[values.dtype] * s.detach().abs()).all(-1, keepdim=True)
        result = torch.where(is_scalar, result, versor_through_bivector(element, work, layouts))
    elif rest.shape[-1]:
        result, singular = _normalize_study(element, s, rest, singular, work, layouts)
    else:
        result = _divided(element, s, singular)
    refuse_where(singular, lambda: _no_norm(s, singular))
    return torch.where(refused | singular, torch.nan, result), work


def _divided(element: Tensor, s: Tensor, singular: Tensor) -> Tensor:
    return element / torch.where(singular, 1.0, s).abs().sqrt()


def _normalize_study(
    element: Tensor, s: Tensor, w: Tensor, singular: Tensor, work: Layout, layouts: Frame
) -> tuple[Tensor, Tensor]:
    """Multiply by ``(s + w)^(-1/2) = (c - w / (2 c)) / sqrt(s^2 - w^2)`` on the left; also tell where singular."""
    discriminant = s * s - scalar_square(w, layouts.quadvectors, layouts)
    singular = singular | (discriminant.detach() <= 16 * torch.finfo(s.dtype).eps * (s * s).detach())
    root = torch.where(singular, 1.0, discriminant).sqrt()
    scalar = torch.where(singular, 1.0, s)
    c = ((scalar.abs() + root) / 2).sqrt()
    factor = torch.cat((c, -scalar.sign() * w / (2 * c)), -1) / root
    return multiply("geometric_product", factor, element, layouts.study, work, work), singular


def _refuse_mixed_parity(element: Tensor, layout: Layout) -> Tensor:
    """Refuse sums of even and odd elements; return where they are, with an axis of one."""
    parts = (move(element, layout, layout.of_parity(parity)).detach().abs() for parity in ("even", "odd"))
    limit = TOLERANCE[element.dtype] * element.detach().abs().amax(-1, keepdim=True)
    even, odd = ((part > limit).any(-1, keepdim=True) for part in parts)
    refuse_where(
        even & odd,
        lambda: (
            "normalize takes even or odd elements, but the argument has coefficients of both; project it with "
            "F.grade_project first, or scale it by F.coefficient_norm"
        ),
    )
    return even & odd


def _no_norm(s: Tensor, singular: Tensor) -> str:
    return (
        "normalize was given an element without a norm to divide by: <X reverse(X)>_0 is "
        f"{s[singular][0].item():.3g}, and X reverse(X) is zero, null or a zero divisor. Null vectors, ideal points "
        "and lines cannot be normalised; scale them by F.coefficient_norm"
    )
