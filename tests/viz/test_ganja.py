"""The page for ganja.js: its coefficients, in ganja's order and signs."""

import json
import re

import pytest
import torch

from cliffnet import Algebra, viz
from cliffnet.errors import ConfigError
from cliffnet.geometry import cga, pga2d, pga3d


def _read(path):
    """Return the algebra's counts, the items and the options that a page passes to ganja."""
    page = path.read_text(encoding="utf-8")
    counts = re.search(r"Algebra\(\{ p: (\d), q: (\d), r: (\d)", page)
    items = re.search(r"const items = (.*);\n", page)
    options = re.search(r"algebra\.graph\(items\.map\(element\), (.*)\);\n", page)
    return tuple(map(int, counts.groups())), json.loads(items[1]), json.loads(options[1])


def test_points_and_lines_of_space(tmp_path):
    # ganja's Cl(3,0,1): 1 e0 e1 e2 e3 e01 e02 e03 e12 e13 e23 e012 e013 e023 e123 e0123
    point = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -3, 2, -1, 1, 0])
    line = pga3d.join(point, pga3d.embed_point(torch.tensor([1.0, 2.0, 4.0])))
    path = viz.ganja({"P": 2 * point, "L": line}, tmp_path / "scene.html", pga3d.ALGEBRA, colors=["#ff0000", "#0000ff"])
    counts, items, options = _read(path)
    assert counts == (3, 0, 1)
    assert items == [0xFF0000, point.tolist(), "P", 0x0000FF, line.tolist(), "L"]
    assert options["grid"]
    assert not options.get("conformal", False)
    assert '<script src="https://unpkg.com/ganja.js">' in path.read_text(encoding="utf-8")


def test_signed_bases_are_converted(tmp_path):
    algebra = Algebra.from_name("3DPGA")
    x = torch.zeros(16)
    for name, value in (("e123", 1.0), ("e032", 1.0), ("e013", 2.0), ("e021", 3.0)):
        index, sign = algebra.index(name)
        x[index] = sign * value
    _, items, _ = _read(viz.ganja(x, tmp_path / "scene.html", algebra))
    assert items[1] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -3, 2, -1, 1, 0]


def test_conformal_objects_are_direct(tmp_path):
    dual = cga.embed_dual_sphere(torch.tensor([1.0, 0, 0]), torch.tensor(2.0))
    point = cga.up(torch.tensor([0.0, 0, 1]))
    counts, items, options = _read(viz.ganja([dual, point], tmp_path / "scene.html", cga.algebra_of(dual)))
    assert counts == (4, 1, 0)
    assert options["conformal"]
    assert options["gl"]
    center, radius = cga.extract_sphere(torch.tensor(items[1]))
    assert torch.allclose(center, torch.tensor([1.0, 0, 0]))
    assert radius.item() == pytest.approx(2.0)
    assert torch.allclose(cga.down(torch.tensor(items[3])), torch.tensor([0.0, 0, 1]))


def test_motors_become_segments(tmp_path):
    angle = torch.linspace(0.0, 1.0, 4)
    turn = pga2d.embed_rotation_about_point(pga2d.embed_point(torch.tensor([1.0, 0.0])), angle)
    counts, items, _ = _read(viz.ganja({"turn": turn}, tmp_path / "scene.html", pga2d.ALGEBRA))
    assert counts == (2, 0, 1)
    segments = [torch.tensor(item) for item in items if isinstance(item, list)]
    assert [segment.shape for segment in segments] == [(2, 8)] * 3
    assert items[2] == "turn"
    ends = pga2d.extract_point(segments[-1][1])
    assert torch.allclose(ends, torch.tensor([1 - angle[-1].cos(), -angle[-1].sin()]), atol=1e-6)


def test_text_cannot_leave_the_page(tmp_path):
    label = "</script><b>"
    path = viz.ganja({label: pga2d.embed_point(torch.zeros(2))}, tmp_path / "a.html", pga2d.ALGEBRA, title="<i>")
    assert path.read_text(encoding="utf-8").count("</script>") == 2
    assert label in _read(path)[1]
    assert "&lt;i&gt;" in path.read_text(encoding="utf-8")


def test_a_local_script_is_copied_and_options_are_passed(tmp_path):
    script = tmp_path / "ganja.js"
    script.write_text('const Algebra = "</script>";', encoding="utf-8")
    path = viz.ganja(
        pga2d.embed_point(torch.zeros(2)), tmp_path / "a.html", pga2d.ALGEBRA, script=script, options={"scale": 0.5}
    )
    page = path.read_text(encoding="utf-8")
    assert 'const Algebra = "<\\/script>";' in page
    assert "src=" not in page
    assert _read(path)[2]["scale"] == 0.5


def test_bad_input_is_named(tmp_path):
    point = pga2d.embed_point(torch.zeros(2))
    with pytest.raises(ConfigError, match="the colour is 'red'"):
        viz.ganja(point, tmp_path / "a.html", pga2d.ALGEBRA, colors=["red"])
    with pytest.raises(ConfigError, match="scenes are drawn of"):
        viz.ganja(torch.zeros(4), tmp_path / "a.html", Algebra(2))
