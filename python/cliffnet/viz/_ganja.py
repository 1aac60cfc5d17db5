"""Scenes as a web page that ganja.js draws."""

import html
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.geometry import cga, pga2d, pga3d
from cliffnet.viz._classify import shapes_of, space_dim
from cliffnet.viz._clip import bounding_box
from cliffnet.viz._matplotlib import COLORS
from cliffnet.viz._scene import read_objects
from cliffnet.viz._shapes import Path, Shape

# the address that the project's own README gives
SCRIPT = "https://unpkg.com/ganja.js"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>html, body {{ margin: 0; height: 100%; overflow: hidden; }}</style>
{script}
</head>
<body>
<script>
const algebra = Algebra({{ p: {p}, q: {q}, r: {r}, baseType: Float64Array }});
const element = x => Array.isArray(x) ? (Array.isArray(x[0]) ? x.map(element) : new algebra(x)) : x;
const items = {items};
const canvas = algebra.graph(items.map(element), {options});
canvas.style.width = "100vw";
canvas.style.height = "100vh";
document.body.appendChild(canvas);
</script>
</body>
</html>
"""


def ganja(
    objects: Any,
    path: str | FilePath,
    algebra: Algebra | None = None,
    *,
    labels: Sequence[str | None] | None = None,
    colors: Sequence[str] = COLORS,
    title: str = "cliffnet",
    script: str | FilePath = SCRIPT,
    options: Mapping[str, Any] | None = None,
) -> FilePath:
    """Write a web page that draws the objects of PGA or CGA with ganja.js and lets the reader turn them.

    Parameters
    ----------
    objects : Multivector, Tensor, sequence or mapping
        As in :func:`scene`. Points, lines, planes and rounds; batches of motors become the path of the origin.
    path : str or Path
        The HTML file to write; its folder must exist.
    algebra : Algebra, optional
        The algebra of tensors: Cl(2,0,1), Cl(3,0,1), Cl(3,1) or Cl(4,1), in any basis; coefficients are written in
        ganja's order and signs.
    labels : sequence of str, optional
        One an object.
    colors : sequence of str
        Colours as ``#rrggbb``, taken in turn.
    title : str
        The title of the page.
    script : str or Path
        Where the page finds ganja.js. A path to a file is copied into the page, which then needs no network; a string
        is an address.
    options : mapping, optional
        Further options of ganja's ``graph``, such as ``{"lineWidth": 3, "scale": 0.5}``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ConfigError
        If the algebra is none of these, labels do not match, or a colour is malformed.
    DomainError
        If an object is at infinity, not finite, or neither a blade nor a motor.

    References
    ----------
    De Keninck, ganja.js, 2020, doi:10.5281/zenodo.3635774.
    """
    items, chosen, space = _items(objects, algebra, labels, colors)
    page = _PAGE.format(
        title=html.escape(title),
        script=_script(script),
        p=space.p,
        q=space.q,
        r=space.r,
        items=_json(items),
        options=_json({**chosen, **(options or {})}),
    )
    path = FilePath(path)
    path.write_text(page, encoding="utf-8")
    return path


def _items(
    objects: Any, algebra: Algebra | None, labels: Sequence[str | None] | None, colors: Sequence[str]
) -> tuple[list[Any], dict[str, Any], Algebra]:
    """Return the colours, elements and labels that ganja draws in turn, its options, and the algebra."""
    read, space = read_objects(objects, algebra, labels)
    items: list[Any] = []
    shown: list[Shape] = []
    for number, (label, values) in enumerate(read):
        shapes = shapes_of(values, space)
        shown += shapes
        drawn = _elements(values, shapes, space)
        # a label goes with the element before it
        items += [_color(colors[number % len(colors)]), *drawn[:1], *([label] if label else []), *drawn[1:]]
    return items, _options(shown, space), space


def _json(value: Any) -> str:
    # a label must not be able to end the script
    return json.dumps(value).replace("<", "\\u003c")


def _script(script: str | FilePath) -> str:
    if isinstance(script, FilePath):
        source = script.read_text(encoding="utf-8").replace("</script", "<\\/script")
        return f"<script>\n{source}\n</script>"
    return f'<script src="{html.escape(script)}"></script>'


def _color(color: str) -> int:
    digits = color.removeprefix("#")
    try:
        if len(digits) != 6:
            raise ValueError(color)
        return int(digits, 16)
    except ValueError as error:
        raise ConfigError(f"the colour is {color!r}, expected six hexadecimal digits such as '#0072B2'") from error


def _options(shapes: list[Shape], space: Algebra) -> dict[str, Any]:
    """Return options under which the objects fit ganja's view, which reaches from -2 to 2."""
    dim = space_dim(space)
    middle, half = bounding_box(shapes, dim)
    reach = middle.abs().max().item() + half
    options = {"grid": True, "lineWidth": 2, "scale": min(1.0, 1.8 / reach), "clip": max(2.0, reach)}
    return options if space.r else {**options, "conformal": True, "gl": dim == 3}


def _elements(values: Tensor, shapes: list[Shape], space: Algebra) -> list[Any]:
    """Return ganja's elements of one object: coefficient lists, and pairs of them for segments."""
    if shapes and isinstance(shapes[0], Path):
        points = _points(shapes[0].positions, space).tolist()
        return [list(pair) for pair in itertools.pairwise(points)] or points
    flat = values.reshape(-1, space.num_blades)
    if not space.r:
        flat = _direct(flat, space)
        return list((flat / flat.abs().amax(-1, keepdim=True)).tolist())
    return list(_normalized(flat, space).tolist())


def _points(positions: Tensor, space: Algebra) -> Tensor:
    if not space.r:
        return cga.up(positions)
    return pga2d.embed_point(positions) if space.dim == 3 else pga3d.embed_point(positions)


def _direct(x: Tensor, space: Algebra) -> Tensor:
    """Replace dual spheres and planes, vectors that are not null, by direct ones: ganja draws direct objects."""
    vectors = list(space.grade_indices(1))
    is_vector = x[:, vectors].abs().amax(-1) > 0.5 * x.abs().amax(-1)
    square = (x[:, vectors].square() * x.new_tensor(space.metric)).sum(-1)
    is_dual = is_vector & (square.abs() > 1e-6 * x.abs().amax(-1).square())
    return torch.where(is_dual.unsqueeze(-1), cga.undual(x), x)


def _normalized(x: Tensor, space: Algebra) -> Tensor:
    """Divide by the norm, or by the largest coefficient where that is zero."""
    norm = (pga2d if space.dim == 3 else pga3d).norm(x)
    largest = x.abs().amax(-1)
    return x / torch.where(norm > 1e-6 * largest, norm, largest).unsqueeze(-1)
