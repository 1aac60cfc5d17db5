"""Names of blades and strings of algebras.

A blade is written ``e`` followed by the indices of its generators: ``e12``, or ``e10_11`` when an index has two
digits; the scalar is ``1``. Indices may stand in any order, which gives the blade a sign: ``e31`` is ``-e13``.
"""

import re

from cliffnet.errors import BladeError, SignatureError

_SIGNATURE = re.compile(r"\s*Cl\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?\)\s*")


def parse_signature(text: str) -> tuple[int, int, int]:
    """Read ``"Cl(p,q,r)"``, ``"Cl(p,q)"`` or ``"Cl(p)"``."""
    match = _SIGNATURE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise SignatureError(f"{text!r} names no algebra; expected 'Cl(p,q,r)', such as 'Cl(3,0,1)'")
    p, q, r = (int(group or 0) for group in match.groups())
    return p, q, r


def blade_name(mask: int, first_index: int, dim: int) -> str:
    """Write the blade of a bit mask, generators in ascending order."""
    if mask == 0:
        return "1"
    indices = [first_index + i for i in range(dim) if mask >> i & 1]
    separator = "_" if first_index + dim > 10 else ""
    return "e" + separator.join(map(str, indices))


def parse_blade(name: str, first_index: int, dim: int) -> tuple[int, int]:
    """Read a blade name; return its bit mask and the sign against the ascending order."""
    if name in ("1", "e"):
        return 0, 1
    if not re.fullmatch(r"e\d+(_\d+)*", name):
        raise BladeError(f"'{name}' is no blade name; expected '1' or 'e' followed by generator indices, such as 'e12'")
    digits = name[1:]
    if "_" in digits or (first_index + dim > 10 and len(digits) <= 2):
        indices = [int(part) for part in digits.split("_")]
    else:
        indices = [int(digit) for digit in digits]
    last = first_index + dim - 1
    if len(set(indices)) != len(indices) or any(not first_index <= index <= last for index in indices):
        raise BladeError(
            f"'{name}' is not a blade of this algebra; its generators are e{first_index} to e{last}, each at most once"
        )
    swaps = sum(a > b for i, a in enumerate(indices) for b in indices[i + 1 :])
    mask = sum(1 << (index - first_index) for index in indices)
    return mask, -1 if swaps % 2 else 1
