"""Reading multivectors from text."""

import math
import re

import torch

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, BladeError, ParseError
from cliffnet.functional._checks import FLOATING, check_algebra
from cliffnet.multivector._multivector import Multivector

_HEAD = re.compile(r"\s*Multivector\[(?P<facts>[^\]]*)\]")
_BATCH = re.compile(r"batch \((?P<shape>[\d, ]+)\)")
_ROW = re.compile(r"\s*\[(?P<index>[\d, ]+)\]")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"nan|inf|(?:\d+\.?\d*|\.\d+)(?:[eE](?P<exponent>[+-]?\d+))?")
_BLADE = re.compile(r"e\w*")

# how much of a text an error quotes on either side of the place
_SHOWN = 60

_Terms = dict[int, float]


def parse(
    text: str,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Multivector:
    """Read a multivector from text, in the form that ``str`` and ``repr`` write.

    Parameters
    ----------
    text : str
        A sum of terms, each a number, a blade, or a number before a blade with a space or ``*`` between:
        ``"1 + 0.5 e12 - 2 e0123"``, ``"-e31 + 3*e1"``, ``"1e-3 e2"``.
    algebra : Algebra
        The algebra of the blades.
    layout : Layout, optional
        Layout of the result; if omitted, the blades that occur.
    dtype : dtype, optional
        If omitted, that of the text if ``repr`` wrote it there, else the default dtype of torch.
    device : device, optional
        The default device of torch if omitted.

    Returns
    -------
    Multivector
        Of empty batch shape, or that of the text if ``repr`` wrote it.

    Raises
    ------
    ParseError
        If the text cannot be read, with the position; also for ``2e12``, which could be a number or twice ``e12``.
    AlgebraMismatchError
        If ``repr`` wrote the text for another algebra.
    LayoutError
        If the layout lacks a blade that occurs.

    Examples
    --------
    >>> from cliffnet import Algebra, parse
    >>> parse("1 + 2 e12 - 0.5 e31", Algebra(3))
    Multivector[Cl(3,0) 1, e12, e13] 1 + 2 e12 + 0.5 e13
    """
    if not isinstance(text, str):
        raise TypeError(f"expected text, got {type(text).__name__}")
    check_algebra(algebra)
    reader = _Reader(text, algebra)
    rows, shape = reader.elements()
    masks = {mask for row in rows for mask in row} or {0}
    found = algebra.layout_of_masks(masks)
    values = torch.tensor(
        [
            [row.get(mask, 0.0) * sign for mask, sign in zip(found.blade_masks, found.blade_signs, strict=True)]
            for row in rows
        ],
        dtype=reader.dtype if dtype is None else dtype,
        device=device,
    )
    read = Multivector(values.reshape(*shape, found.size), found)
    return read if layout is None else read.change_layout(layout)


class _Reader:
    """Reads terms of one text from left to right."""

    def __init__(self, text: str, algebra: Algebra) -> None:
        self.text = text
        self.algebra = algebra
        self.position = 0
        self.end = len(text)
        self.dtype = torch.get_default_dtype()

    def fail(self, expected: str, position: int | None = None) -> ParseError:
        at = self.position if position is None else position
        found = f"found {self.text[at : at + 12]!r}" if at < self.end else "but the text ends"
        start, end = max(at - _SHOWN, 0), at + _SHOWN
        shown = ("..." if start else "") + self.text[start:end] + ("..." if end < len(self.text) else "")
        return ParseError(f"cannot read {shown!r} at position {at}: expected {expected}, {found}", at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position, self.end)
        if match is not None:
            self.position = match.end()
        return match

    def elements(self) -> tuple[list[_Terms], tuple[int, ...]]:
        """Read everything: the terms of each element, and the batch shape."""
        head = self.take(_HEAD)
        if head is not None:
            self.read_facts(head["facts"])
        batch = _BATCH.search(head["facts"]) if head is not None else None
        if batch is None:
            return [self.sum()], ()
        shape = tuple(int(size) for size in batch["shape"].split(",") if size.strip())
        rows = []
        for position in range(math.prod(shape)):
            start = self.position
            row = self.take(_ROW)
            label = _index_text(position, shape)
            if row is None or row["index"] != label:
                raise self.fail(
                    f"the element '[{label}] ...', {math.prod(shape)} in all (torch.set_printoptions(threshold=...) "
                    "says how many are written)",
                    start,
                )
            line_end = self.text.find("\n", self.position)
            self.end = len(self.text) if line_end < 0 else line_end
            rows.append(self.sum())
            self.end = len(self.text)
        self.take(_SPACE)
        if self.position != self.end:
            raise self.fail("the end of the text")
        return rows, shape

    def read_facts(self, facts: str) -> None:
        """Take the dtype from the facts that ``repr`` puts first, and compare the algebra."""
        if not facts.startswith(f"{self.algebra} "):
            raise AlgebraMismatchError(
                f"the text is a multivector of another algebra, 'Multivector[{facts}]', expected one of "
                f"{self.algebra}; read it with its own algebra and move it with mv.embed"
            )
        named = [dtype for dtype in FLOATING if str(dtype).removeprefix("torch.") in facts.split(", ")]
        self.dtype = named[0] if named else self.dtype

    def sum(self) -> _Terms:
        """Read terms up to the end; coefficients are those of ascending generators."""
        terms: _Terms = {}
        first = True
        while True:
            self.take(_SPACE)
            if self.position == self.end and not first:
                return terms
            sign = self.sign(required=not first)
            value, mask = self.term()
            terms[mask] = terms.get(mask, 0.0) + sign * value
            first = False

    def sign(self, *, required: bool) -> int:
        symbol = self.text[self.position : self.position + 1] if self.position < self.end else ""
        if symbol not in ("+", "-") or not symbol:
            if required:
                raise self.fail("'+' or '-' before the next term")
            return 1
        self.position += 1
        self.take(_SPACE)
        sign = -1 if symbol == "-" else 1
        # 1 + -2 e1
        return sign * self.sign(required=False) if required else sign

    def term(self) -> tuple[float, int]:
        """Read a number, a blade or both; return coefficient and mask."""
        start = self.position
        number = self.take(_NUMBER)
        if number is None:
            blade = self.blade()
            if blade is None:
                raise self.fail("a number or a blade such as 'e12'")
            return float(blade[1]), blade[0]
        exponent = number["exponent"]
        if exponent is not None and exponent[0] not in "+-" and self.is_blade(f"e{exponent}"):
            raise self.fail(
                f"a clear meaning: write '{number[0][: -len(exponent) - 1]} e{exponent}' for the blade or "
                f"'{number[0][: -len(exponent)]}+{exponent}' for the number",
                start,
            )
        self.take(_SPACE)
        times = self.position < self.end and self.text[self.position] == "*"
        if times:
            self.position += 1
            self.take(_SPACE)
        blade = self.blade()
        if blade is None:
            if times:
                raise self.fail("a blade such as 'e12' after '*'")
            return float(number[0]), 0
        return float(number[0]) * blade[1], blade[0]

    def blade(self) -> tuple[int, int] | None:
        start = self.position
        match = self.take(_BLADE)
        if match is None:
            return None
        try:
            return self.algebra.blade_mask(match[0])
        except BladeError as error:
            raise self.fail(f"a blade of {self.algebra} ({error})", start) from error

    def is_blade(self, name: str) -> bool:
        try:
            self.algebra.blade_mask(name)
        except BladeError:
            return False
        return True


def _index_text(position: int, shape: tuple[int, ...]) -> str:
    """Write the batch index of an element that is counted through the batch, last axis first."""
    index = []
    for size in reversed(shape):
        position, entry = divmod(position, size)
        index.append(str(entry))
    return ", ".join(reversed(index))
