"""Objects of kingdon."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet._extras import require
from cliffnet.algebra import Algebra, parse_blade
from cliffnet.errors import AlgebraMismatchError, DTypeError
from cliffnet.interop._foreign_blades import ForeignAlgebra, check_wrapped, own_blade, own_layout
from cliffnet.multivector import Multivector

_SOURCE = "kingdon"


def from_kingdon(
    multivector: Any,
    algebra: Algebra | None = None,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Multivector:
    """Convert an object of kingdon, of any of its types; coefficients fixed by a type are included.

    Parameters
    ----------
    multivector : kingdon.MultiVector
        Coefficients are numbers, arrays or tensors of shapes that broadcast.
    algebra : Algebra, optional
        The algebra to convert to, with the same generators: matched by name where all names agree, else in order. If
        omitted, the algebra of kingdon's squares, names and named blades, such as ``e31``.
    dtype, device : optional
        Those of the values if omitted, where integers and Python's own numbers take the default dtype.

    Returns
    -------
    Multivector
        On the blades that the object holds; the batch shape is that of the coefficients. Tensors keep their history.

    Raises
    ------
    AlgebraMismatchError
        If the algebra given has other generators.
    DTypeError
        If a coefficient is symbolic.
    TypeError
        If it is no object of kingdon.
    """
    theirs = getattr(multivector, "algebra", None)
    if not hasattr(theirs, "canon2bin"):
        raise TypeError(f"expected an object of kingdon, got {type(multivector).__name__}")
    foreign, labels = _described(theirs)
    target = _algebra_of(theirs, foreign) if algebra is None else algebra
    positions = foreign.positions(target)
    coefficients = _coefficients(multivector)
    blades = []
    for name in coefficients:
        mask, sign = parse_blade(name, labels)
        own, turn = own_blade(mask, positions)
        blades.append((own, sign * turn))
    if not blades:
        return target.zeros(layout=target.scalars, dtype=dtype, device=device)
    layout, factors = own_layout(target, blades)
    values = [
        _tensor(value, dtype, device) * factor for value, factor in zip(coefficients.values(), factors, strict=True)
    ]
    common = target.layout_of_masks(layout.blade_masks)
    stacked = torch.stack(torch.broadcast_tensors(*values), -1)
    return Multivector(F.change_layout(stacked, layout, common), common)


def to_kingdon(multivectors: Multivector, algebra: Any = None) -> Any:
    """Convert to an object of kingdon.

    Parameters
    ----------
    multivectors : Multivector
        Of any batch shape; copied to the CPU, without history.
    algebra : kingdon.Algebra, optional
        The algebra to convert to, with the same generators: matched by name where all names agree, else in order. If
        omitted, one of the same squares, names and named blades is made, the same one every time.

    Returns
    -------
    kingdon.MultiVector
        With the blades of the layout; coefficients are numbers, or NumPy arrays of the batch shape.

    Raises
    ------
    AlgebraMismatchError
        If kingdon has no such algebra, or the one given has other generators.
    TypeError
        If they are no multivectors.
    MissingDependencyError
        If kingdon is not installed.
    """
    check_wrapped(multivectors)
    own = multivectors.algebra
    theirs = _kingdon_algebra(own) if algebra is None else algebra
    foreign, labels = _described(theirs)
    positions = foreign.positions(own)
    keys, signs = [], []
    inverse = sorted(range(len(positions)), key=positions.__getitem__)
    for mask, sign in zip(multivectors.layout.blade_masks, multivectors.layout.blade_signs, strict=True):
        key, turn = own_blade(mask, inverse)
        keys.append(key)
        signs.append(float(sign * turn * parse_blade(theirs.bin2canon[key], labels)[1]))
    values = multivectors.tensor.detach().cpu()
    values = values * torch.tensor(signs, dtype=values.dtype)
    if not multivectors.shape:
        return theirs.multivector(keys=tuple(keys), values=values.tolist())
    planes = values.movedim(-1, 0)
    return theirs.multivector(
        keys=tuple(keys), values=planes.to(torch.promote_types(planes.dtype, torch.float32)).numpy()
    )


def _described(theirs: Any) -> tuple[ForeignAlgebra, tuple[str, ...]]:
    """Return the generators in the order of the bits of its keys, and what stands after the ``e`` of each."""
    names = tuple(theirs.bin2canon[1 << i] for i in range(theirs.d))
    labels = tuple(name[1:] for name in names)
    # the list of squares follows the numbers of the generators, not the bits
    numbered = sorted(labels, key=lambda label: int(label, 36))
    squares = tuple(float(theirs.signature[numbered.index(label)]) for label in labels)
    return ForeignAlgebra(_SOURCE, squares, names), labels


def _algebra_of(theirs: Any, foreign: ForeignAlgebra) -> Algebra:
    if not theirs.basis:
        return foreign.own_algebra()
    # a basis of its own names its generators in ascending order as ours does
    order = sorted(range(theirs.d), key=lambda i: int(foreign.names[i][1:], 36))
    return Algebra(
        metric=[foreign.squares[i] for i in order],
        names=[foreign.names[i][1:] for i in order],
        basis=["1" if name == "e" else name for name in theirs.canon2bin],
    )


def _coefficients(multivector: Any) -> dict[str, Any]:
    """Return the coefficients by the names of blades."""
    theirs = multivector.algebra
    held = dict(zip(multivector.keys(), multivector.values(), strict=True))
    if theirs.large:
        return {theirs.bin2canon[key]: value for key, value in held.items()}
    # attributes also give the coefficients that a type fixes, such as the 1 of a point
    named = {name: getattr(multivector, name) for name in theirs.canon2bin}
    return {
        name: value
        for name, value in named.items()
        if theirs.canon2bin[name] in held or not (isinstance(value, int) and value == 0)
    }


def _tensor(value: Any, dtype: torch.dtype | None, device: torch.device | str | None) -> Tensor:
    try:
        tensor = torch.as_tensor(value, dtype=dtype, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DTypeError(
            f"a coefficient is {value!r} of type {type(value).__name__}, expected a number, an array or a tensor; "
            "evaluate symbolic multivectors first"
        ) from error
    return tensor if dtype is not None or tensor.is_floating_point() else tensor.to(torch.get_default_dtype())


@cache
def _kingdon_algebra(algebra: Algebra) -> Any:
    """Return the algebra of kingdon with the generators of an algebra."""
    kingdon = require("kingdon", "interop")
    squares: Sequence[float] = algebra.metric
    numbers = [int(label) for label in algebra.generator_labels if label.isdigit()]
    first = numbers[0] if numbers else 1
    consecutive = numbers == list(range(first, first + algebra.dim))
    if not consecutive or not set(squares) <= {-1.0, 0.0, 1.0}:
        raise AlgebraMismatchError(
            f"kingdon knows numbered generators of square 1, -1 and 0, which those of {algebra!r} are not"
        )
    signature = [int(square) for square in squares]
    basis = algebra._custom_basis
    if basis is None:
        return kingdon.Algebra(signature=signature, start_index=first)
    names = ["e" if name == "1" else name for name in basis]
    return kingdon.Algebra(signature=signature, start_index=first, basis=names)
