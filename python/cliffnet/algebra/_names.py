"""Names of blades and strings of algebras.

A blade is written ``e`` followed by the labels of its generators: ``e12``, or ``e10_11`` when a label has several
characters; the scalar is ``1``. Labels may stand in any order, which gives the blade a sign: ``e31`` is ``-e13``.
"""

import re
from collections.abc import Sequence

from cliffnet.errors import BladeError, SignatureError

_SIGNATURE = re.compile(r"\s*Cl\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?\)\s*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]+")


def parse_signature(text: str) -> tuple[int, int, int]:
    """Read ``"Cl(p,q,r)"``, ``"Cl(p,q)"`` or ``"Cl(p)"``."""
    match = _SIGNATURE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise SignatureError(f"{text!r} names no algebra; expected 'Cl(p,q,r)', such as 'Cl(3,0,1)'")
    p, q, r = (int(group or 0) for group in match.groups())
    return p, q, r


def generator_labels(dim: int, names: Sequence[str] | None, start_index: int) -> tuple[str, ...]:
    """Return what stands after the ``e`` of each generator: the given names, or numbers from ``start_index``."""
    if names is None:
        return tuple(str(start_index + i) for i in range(dim))
    labels = tuple(names)
    sound = all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels)
    if len(labels) != dim or len(set(labels)) != dim or not sound:
        raise BladeError(
            f"the names are {labels!r}, expected {dim} different words of letters and digits, one per generator; "
            "'x' names the generator ex"
        )
    return labels


def blade_name(mask: int, labels: Sequence[str]) -> str:
    """Write the blade of a bit mask, generators in ascending order."""
    if mask == 0:
        return "1"
    separator = "_" if any(len(label) > 1 for label in labels) else ""
    return "e" + separator.join(label for i, label in enumerate(labels) if mask >> i & 1)


def parse_blade(name: str, labels: Sequence[str]) -> tuple[int, int]:
    """Read a blade name; return its bit mask and the sign against the ascending order."""
    if not isinstance(name, str):
        raise BladeError(f"the blade is {name!r}, expected a name such as 'e12'")
    if name in ("1", "e"):
        return 0, 1
    if not re.fullmatch(r"e[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name):
        raise BladeError(f"'{name}' is no blade name; expected '1' or 'e' followed by generator indices, such as 'e12'")
    body = name[1:]
    several_characters = any(len(label) > 1 for label in labels)
    if "_" in body:
        parts = body.split("_")
    elif body in labels or (several_characters and len(body) <= 2):
        parts = [body]
    else:
        parts = list(body)
    index_of = {label: i for i, label in enumerate(labels)}
    if len(set(parts)) != len(parts) or any(part not in index_of for part in parts):
        last = f"e{labels[0]} to e{labels[-1]}" if labels else "none"
        advice = ", with '_' between them, such as 'e1_2'" if several_characters else ""
        raise BladeError(
            f"'{name}' is not a blade of this algebra; its generators are {last}, each at most once{advice}"
        )
    indices = [index_of[part] for part in parts]
    swaps = sum(a > b for i, a in enumerate(indices) for b in indices[i + 1 :])
    return sum(1 << index for index in indices), -1 if swaps % 2 else 1
