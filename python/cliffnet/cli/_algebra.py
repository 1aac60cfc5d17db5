"""An algebra as tables: its facts, its blades and, where it is small, its products."""

import math
import sys
from typing import Any

import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.algebra import blade_map, involution_signs, preset_names
from cliffnet.cli._console import make_console, print_table

_MOST_BLADES = 256
# a table of products of more generators is wider than a screen
_MOST_GENERATORS_OF_PRODUCTS = 3


def read_algebra(text: str) -> Algebra:
    """Return the algebra written ``Cl(p,q,r)``, or known by a name such as ``3DPGA``."""
    return Algebra.from_string(text) if text.strip().startswith("Cl") else Algebra.from_name(text)


def print_algebra(algebra: Algebra) -> None:
    """Print what is known of an algebra, its blades, and its products if it has at most three generators."""
    facts = _facts(algebra)
    width = max(map(len, facts))
    sys.stdout.writelines(f"{key:<{width}}  {value}\n" for key, value in facts.items())
    sys.stdout.flush()
    if algebra.is_dense:
        console = make_console()
        _print_blades(console, algebra)
        if algebra.dim <= _MOST_GENERATORS_OF_PRODUCTS:
            _print_products(console, algebra)


def _facts(algebra: Algebra) -> dict[str, str]:
    p, q, r = algebra.signature
    squares = zip(algebra.generator_names, algebra.metric, strict=True)
    listed = [f"{name}^2 = {_number(square)}" for name, square in squares]
    shown = listed if len(listed) <= 12 else [*listed[:3], "...", listed[-1]]
    counts = [str(math.comb(algebra.dim, grade)) for grade in range(algebra.dim + 1)]
    pseudoscalar = algebra.pseudoscalars.blade_names[0] if algebra.is_dense else f"grade {algebra.dim}"
    facts = {
        "algebra": str(algebra),
        "signature": f"p = {p}, q = {q}, r = {r}",
        "generators": ", ".join(shown) or "none",
        "blades": f"{algebra.num_blades:,} = {' + '.join(counts)}" if algebra.is_dense else f"2^{algebra.dim}",
        "pseudoscalar": f"{pseudoscalar}, square {_number(_square(algebra, (1 << algebra.dim) - 1))}",
        "matrices": algebra.matrix_type,
    }
    names = _names(algebra)
    if names:
        facts["also"] = ", ".join(names)
    if not algebra.is_dense:
        facts["use"] = "layouts such as algebra.vectors; full multivectors have too many blades"
    return facts


def _names(algebra: Algebra) -> list[str]:
    """Return the calls that give the algebra, and the named algebras that differ only in their basis."""
    n = algebra.dim
    made: dict[str, Algebra] = {
        f"vga({n})": Algebra.vga(n),
        f"exterior({n})": Algebra.exterior(n),
        "sta()": Algebra.sta(),
        'sta("-+++")': Algebra.sta("-+++"),
        "complex()": Algebra.complex(),
        "split_complex()": Algebra.split_complex(),
        "dual_numbers()": Algebra.dual_numbers(),
        "quaternions()": Algebra.quaternions(),
        "dual_quaternions()": Algebra.dual_quaternions(),
    }
    if n >= 1:
        made[f"pga({n - 1})"] = Algebra.pga(n - 1)
    if n >= 2:
        made[f"cga({n - 2})"] = Algebra.cga(n - 2)
    named = {name: Algebra.from_name(name) for name in preset_names()}
    calls = [f"Algebra.{call}" for call, one in made.items() if one is algebra]
    calls += [f"Algebra.from_name({name!r})" for name, one in named.items() if one is algebra]
    others = [name for name, one in named.items() if one is not algebra and one.metric == algebra.metric]
    return [call for call in calls if call != str(algebra)] + [f"{name} in another basis" for name in others]


def _print_blades(console: Any, algebra: Algebra) -> None:
    """Print one row for each blade: position, name, grade, square, reverse and right complement."""
    key = algebra.full.key
    reverse = involution_signs(key, "reverse")
    complement = {source: (target, sign) for target, source, sign in blade_map("right_complement", key, key)}
    rows = []
    for index, name in enumerate(algebra.blade_names[:_MOST_BLADES]):
        target, sign = complement[index]
        square = _square(algebra, algebra.blade_masks[index])
        image = _signed(sign, algebra.blade_names[target])
        rows.append(
            (name, str(index), str(algebra.grades[index]), _number(square), _signed(reverse[index], name), image)
        )
    title = "\nblades" if len(rows) == algebra.num_blades else f"\nthe first {_MOST_BLADES} blades"
    print_table(console, title, ("blade", "index", "grade", "square", "reverse", "right complement"), rows)


def _print_products(console: Any, algebra: Algebra) -> None:
    """Print the product of each pair of blades, the left one down the side."""
    basis = torch.eye(algebra.num_blades, dtype=torch.float64)
    table = F.geometric_product(basis.unsqueeze(1), basis, algebra)
    rows = [
        (name, *(_term(product, algebra) for product in products))
        for name, products in zip(algebra.blade_names, table.tolist(), strict=True)
    ]
    print_table(console, "\nproducts, row times column", ("", *algebra.blade_names), rows)


def _term(product: list[float], algebra: Algebra) -> str:
    """Write a multiple of a blade."""
    terms = [(value, name) for value, name in zip(product, algebra.blade_names, strict=True) if value]
    if not terms:
        return "0"
    ((value, name),) = terms
    if name == "1":
        return f"{value:g}"
    return _signed(value, name) if abs(value) == 1.0 else f"{value:g} {name}"


def _square(algebra: Algebra, mask: int) -> float:
    grade = mask.bit_count()
    sign = -1.0 if grade * (grade - 1) // 2 % 2 else 1.0
    return sign * math.prod(square for place, square in enumerate(algebra.metric) if mask >> place & 1)


def _number(value: float) -> str:
    return f"{value:+g}" if value else "0"


def _signed(sign: float, name: str) -> str:
    return f"-{name}" if sign < 0 else name
