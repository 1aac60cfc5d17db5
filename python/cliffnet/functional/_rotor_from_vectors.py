"""The rotor that turns one vector towards another."""

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.functional._checks import check_pair
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import full_unless_given, move, multiply
from cliffnet.functional._refusals import refuse_other_grades, refuse_where

_HALF = (torch.bfloat16, torch.float16)


def rotor_from_vectors(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the rotors that turn one vector towards another in their plane: ``1 + b a^-1``, normalised.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layout: vectors with squares of the same sign; only their
        directions count. Leading axes broadcast.
    algebra : Algebra
        The algebra of both.
    layout, out_layout : Layout, optional
        Layouts of the vectors and the result; full multivectors if both are omitted. If only ``out_layout`` is, the
        result is on scalars and bivectors.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: rotors with ``R a reverse(R) = b`` if ``a^2 = b^2``. For
        opposite vectors the rotor of the plane through ``a`` and the generator of the same sign least along it.

    Raises
    ------
    DomainError
        If an argument holds more than vectors, a vector is null, squares differ in sign, or no rotor in their plane
        takes one to the other, as for vectors in opposite halves of a light cone. In compiled graphs and transforms the
        result is NaN instead.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the tensors do not fit the algebra, their layout or each other.

    Notes
    -----
    Equivariant under Spin but for opposite vectors, where the plane is a choice and derivatives are not defined.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> F.rotor_from_vectors(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), algebra, layout=algebra.vectors)
    tensor([ 0.7071, -0.7071])
    """
    given, natural = full_unless_given(algebra, layout), algebra.scalars | algebra.bivectors
    target = natural if layout is not None and out_layout is None else full_unless_given(algebra, out_layout)
    check_pair(a, b, algebra, given, given)
    half = a.dtype in _HALF
    units, refused = [], None
    for values in torch.broadcast_tensors(a, b):
        values = values.float() if half else values
        outside = refuse_other_grades(values, given, (1,), "rotor_from_vectors", "vectors")
        units.append(_unit(move(values, given, algebra.vectors), algebra))
        if outside is not None:
            refused = outside if refused is None else refused | outside
    (first, sign, first_null), (second, second_sign, second_null) = units
    # NaN is no reason to refuse: it comes out again
    known = ~(first.isnan() | second.isnan()).any(-1, keepdim=True)
    refuse_where(
        first_null | second_null,
        lambda: "rotor_from_vectors was given a null vector (or zero), which rotors cannot turn into another one",
    )
    differ = sign != second_sign
    refuse_where(
        known & differ & ~first_null & ~second_null,
        lambda: "rotor_from_vectors was given vectors whose squares differ in sign; rotors preserve the square",
    )
    rotor, impossible = _between(first, second, sign, algebra)
    refuse_where(
        known & impossible & ~differ & ~first_null & ~second_null,
        lambda: (
            "rotor_from_vectors was given vectors that no rotor in their plane takes to each other: they lie in "
            "opposite halves of a cone; negate one of them"
        ),
    )
    wrong = first_null | second_null | differ | impossible
    rotor = torch.where(wrong if refused is None else wrong | refused, torch.nan, rotor)
    return move(rotor, natural, target).to(a.dtype)


@kept_constant
def _metric_of_vectors(key: str) -> tuple[float, ...]:
    """Return the squares of the vectors of a layout, in its order."""
    layout = layout_of_key(key)
    return tuple(layout.algebra.metric[mask.bit_length() - 1] for mask in layout.blade_masks)


def _unit(vector: Tensor, algebra: Algebra) -> tuple[Tensor, Tensor, Tensor]:
    """Return a vector scaled to a square of ±1, that sign and where it is null."""
    metric = constant(_metric_of_vectors(algebra.vectors.key), vector.dtype, vector.device)
    square = (vector * vector * metric).sum(-1, keepdim=True)
    size = (vector * vector * metric.abs()).sum(-1, keepdim=True).detach()
    null = square.detach().abs() <= 16 * torch.finfo(vector.dtype).eps * size
    return vector / torch.where(null, 1.0, square).abs().sqrt(), square.detach().sign(), null


def _between(first: Tensor, second: Tensor, sign: Tensor, algebra: Algebra) -> tuple[Tensor, Tensor]:
    """Return ``± h a`` with the unit vector ``h`` halfway, on scalars and bivectors, and where there is none."""
    metric = constant(_metric_of_vectors(algebra.vectors.key), first.dtype, first.device)
    rounding = 16 * torch.finfo(first.dtype).eps
    halfway = first + second
    square = sign * (halfway * halfway * metric).sum(-1, keepdim=True)
    size = first.detach().abs().amax(-1, keepdim=True)
    opposite = halfway.detach().abs().amax(-1, keepdim=True) <= rounding * size
    none = ~opposite & (square.detach() <= rounding * (halfway * halfway * metric.abs()).sum(-1, keepdim=True).detach())
    # across: a generator without its part along the first vector, both among the generators whose squares have the sign
    same = sign * metric > 0
    along = torch.where(same, metric * first, 0.0)
    inner_square = sign * (along * first).sum(-1, keepdim=True)
    beside = torch.where(same, sign * metric - along * along / inner_square, -1.0)
    index = beside.detach().argmax(-1, keepdim=True)
    chosen = (torch.arange(algebra.dim, device=first.device) == index).to(first.dtype)
    part = sign * (along * chosen).sum(-1, keepdim=True) / inner_square
    across = chosen - part * torch.where(same, first, 0.0)
    across_square = (beside * chosen).sum(-1, keepdim=True)
    none = none | (opposite & (across_square.detach() <= rounding))
    axis = torch.where(opposite, across, halfway)
    length = torch.where(none, 1.0, torch.where(opposite, across_square, square)).sqrt()
    vectors = algebra.vectors
    product = multiply(
        "geometric_product", axis / length, sign * first, vectors, vectors, algebra.scalars | algebra.bivectors
    )
    return product, none
