"""What the figures draw, read back from matplotlib's objects."""

import math
import sys

import matplotlib
import pytest
import torch

from cliffnet import Algebra, Multivector, viz
from cliffnet.errors import (
    AlgebraMismatchError,
    ConfigError,
    DomainError,
    LayoutError,
    MissingDependencyError,
    ShapeError,
)
from cliffnet.geometry import cga, pga2d, pga3d


@pytest.fixture(autouse=True)
def _figures():
    from matplotlib import pyplot as plt

    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    plt.close("all")
    plt.switch_backend(before)


def _legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def _curves(ax):
    """Return the plotted lines as (k, n) tensors."""
    curves = []
    for line in ax.lines:
        data = line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data()
        curves.append(torch.tensor([list(map(float, axis)) for axis in data]).T)
    return curves


def test_cayley_table_names_the_products():
    algebra = Algebra(2)
    ax = viz.cayley_table(algebra)
    cells = [text.get_text() for text in ax.texts]
    assert cells == ["1", "e1", "e2", "e12", "e1", "1", "e12", "e2", "e2", "−e12", "1", "−e1", "e12", "−e2", "e1", "−1"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(algebra.blade_names)
    shades = torch.tensor(ax.images[0].get_array().tolist())
    assert torch.equal(shades.sign(), torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [1, -1, 1, -1], [1, -1, 1, -1]]))
    ax.figure.canvas.draw()


def test_cayley_table_of_other_products_metrics_and_sizes():
    outer = viz.cayley_table(Algebra(metric=[0.0, 4.0]), product="outer_product")
    assert [text.get_text() for text in outer.texts][5:8] == ["0", "e01", "0"]
    scaled = viz.cayley_table(Algebra(metric=[0.0, 4.0]))
    assert "4 e0" in [text.get_text() for text in scaled.texts]
    assert not viz.cayley_table(Algebra(4, 1)).texts
    with pytest.raises(LayoutError, match="128 blades"):
        viz.cayley_table(Algebra(7))
    with pytest.raises(ConfigError, match="no product 'sandwich'"):
        viz.cayley_table(Algebra(2), product="sandwich")


def test_coefficients_are_bars():
    x = torch.randn(16)
    ax = viz.coefficients(x, pga3d.ALGEBRA)
    assert torch.allclose(torch.tensor([bar.get_height() for bar in ax.patches]), x)
    assert _legend(ax) == [f"grade {grade}" for grade in range(5)]


def test_coefficients_of_a_batch_on_a_layout():
    layout = pga3d.ALGEBRA.even
    x = torch.randn(3, 5, layout.size)
    ax = viz.coefficients(x, pga3d.ALGEBRA, layout)
    heights = torch.tensor([bar.get_height() for bar in sorted(ax.patches, key=lambda bar: bar.get_x())])
    assert torch.allclose(heights, x.flatten(0, 1).mean(0))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(layout.blade_names)
    assert "15" in ax.get_ylabel()
    assert viz.coefficients(torch.randn(4), Algebra(2), ax=ax) is ax


def test_scene_of_space():
    points = pga3d.embed_point(torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 2, 1]]))
    turn = pga3d.embed_rotation_about_line(
        pga3d.embed_line(torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1])), torch.linspace(0, math.pi, 30)
    )
    objects = {
        "points": -3 * points,
        "line": pga3d.join(points[0], points[1]),
        "plane": pga3d.join(*points),
        "turn": turn,
        "direction": pga3d.embed_direction(torch.tensor([0.0, 0.0, 5.0])),
    }
    ax = viz.scene(objects, pga3d.ALGEBRA)
    assert _legend(ax) == list(objects)
    curves = _curves(ax)
    assert torch.allclose(curves[0][:, 1:], torch.zeros(2, 2))
    path = next(curve for curve in curves if len(curve) == 30)
    angle = torch.linspace(0, math.pi, 30)
    assert torch.allclose(path, torch.stack((1 - angle.cos(), -angle.sin(), torch.zeros(30)), -1))
    assert len(ax.collections) == 4
    ax.figure.canvas.draw()


def test_scene_of_the_plane():
    points = pga2d.embed_point(torch.tensor([[0.0, 0], [2, 2]]))
    ax = viz.scene([points, pga2d.join(points[0], points[1])], pga2d.ALGEBRA, labels=["ends", None], extent=4.0)
    assert _legend(ax) == ["ends"]
    assert ax.get_xlim() == (-3.0, 5.0)
    assert torch.allclose(_curves(ax)[0].T, torch.tensor([[-3.0, 5], [-3, 5]]))
    assert ax.collections[0].get_offsets().tolist() == [[0, 0]]


def test_scene_of_conformal_space():
    sphere = cga.embed_sphere(torch.zeros(3), torch.tensor(1.0))
    other = cga.embed_dual_sphere(torch.tensor([1.0, 0, 0]), torch.tensor(1.0))
    line = cga.embed_line(torch.tensor([0.0, 0, 0.5]), torch.tensor([1.0, 0, 0]))
    far = cga.embed_sphere(torch.tensor([0.0, 0, 4.0]), torch.tensor(1.0))
    objects = {
        "sphere": sphere,
        "dual": other,
        "circle": cga.meet(sphere, cga.undual(other)),
        "imaginary": cga.meet(sphere, far),
        "pair": cga.meet(sphere, line),
        "line": line,
        "plane": cga.embed_plane(torch.tensor([0.0, 0, 1]), torch.tensor(-1.0)),
        "dual plane": cga.embed_dual_plane(torch.tensor([0.0, 0, 1]), torch.tensor(1.0)),
        "flat point": cga.embed_flat(torch.tensor([0.0, 1, 0])),
        "dilation": cga.embed_dilation(torch.linspace(1, 2, 5)),
    }
    ax = viz.scene(objects, cga.algebra_of(sphere))
    assert _legend(ax) == list(objects)
    circle, imaginary, pair = _curves(ax)[:3]
    assert torch.allclose(circle[:, 0], torch.full((97,), 0.5))
    assert torch.allclose(circle[:, 1:].norm(dim=-1), torch.full((97,), math.sqrt(0.75)))
    assert torch.allclose(imaginary[:, 2], torch.full((97,), 2.0))
    assert ax.lines[1].get_linestyle() == "--"
    assert torch.allclose(pair[:, 0].abs(), torch.full((2,), math.sqrt(0.75)))
    ax.figure.canvas.draw()


def test_scene_of_the_conformal_plane():
    circles = cga.embed_sphere(torch.tensor([[0.0, 0], [1, 0], [5, 0]]), torch.ones(3))
    objects = [
        circles,
        cga.meet(circles[0], circles[1]),
        cga.meet(circles[0], circles[2]),
        cga.embed_flat(torch.zeros(2), torch.ones(2)),
        cga.up(torch.tensor([0.0, 3.0])),
        cga.embed_direction(torch.tensor([1.0, 0.0])),
    ]
    ax = viz.scene(objects, cga.algebra_of(circles))
    rings = [curve for curve in _curves(ax) if len(curve) == 97]
    assert len(rings) == 3
    assert torch.allclose(rings[2].amax(0), torch.tensor([6.0, 1.0]), atol=1e-2)


def test_scene_takes_custom_bases_and_multivectors():
    algebra = Algebra.from_name("3DPGA")
    index, sign = algebra.index("e123")
    point = torch.zeros(16)
    point[index] = sign
    for name, value in (("e032", 1.0), ("e013", 2.0), ("e021", 3.0)):
        index, sign = algebra.index(name)
        point[index] = sign * value

    trivectors = algebra.layout(grades=(3,))
    wrapped = Multivector(point[list(algebra.grade_indices(3))], trivectors)
    for ax in (viz.scene(point, algebra), viz.scene(wrapped)):
        assert [part.tolist() for part in ax.collections[0]._offsets3d] == [[1.0], [2.0], [3.0]]


def test_what_cannot_be_drawn_is_named():
    algebra = pga3d.ALGEBRA
    point = pga3d.embed_point(torch.zeros(3))
    crossing = pga3d.embed_ray(torch.tensor([1.0, 0, 0, 1.0, 0, 0]))
    for bad, why in (
        (torch.zeros(16), "grades none"),
        (point + pga3d.embed_plane(torch.ones(3), torch.ones(3)), "grades 1, 3"),
        (crossing, "no blade"),
        (pga3d.embed_plane_at_distance(torch.zeros(3), torch.tensor(1.0)), "infinity"),
        (math.nan * point, "not finite"),
    ):
        with pytest.raises(DomainError, match=why):
            viz.scene(bad, algebra)
    for conformal in (Algebra(3, 1), Algebra(4, 1)):
        # a round element whose centre is at infinity, and no blade at all
        for bad in (conformal.e12, conformal.e1_2 + conformal.e3_4):
            with pytest.raises(DomainError, match="at infinity, or no blade"):
                viz.scene(bad)
    with pytest.raises(AlgebraMismatchError, match="without its algebra"):
        viz.scene(point)
    with pytest.raises(AlgebraMismatchError, match="was given with algebra="):
        viz.scene(Multivector(point, algebra.full), Algebra(2, 0, 1))
    with pytest.raises(AlgebraMismatchError, match="got list"):
        viz.scene([[1.0, 2.0]], algebra)
    with pytest.raises(ShapeError, match="must have 16"):
        viz.scene(torch.zeros(8), algebra)
    with pytest.raises(ConfigError, match="scenes are drawn of"):
        viz.scene(torch.zeros(8), Algebra(3))
    with pytest.raises(ConfigError, match=r"squares to 2\.0"):
        viz.scene(torch.zeros(4), Algebra(metric=[2.0, 1.0]))
    with pytest.raises(ConfigError, match="2 labels were given for 1"):
        viz.scene(point, algebra, labels=["a", "b"])
    with pytest.raises(ConfigError, match="no objects"):
        viz.scene([], algebra)
    with pytest.raises(ConfigError, match="extent must be positive"):
        viz.scene(point, algebra, extent=0.0)
    flat = viz.scene(pga2d.embed_point(torch.zeros(2)), pga2d.ALGEBRA)
    with pytest.raises(ConfigError, match="3-d axes"):
        viz.scene(point, algebra, ax=flat)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cliffnet\[viz\]"'):
        viz.cayley_table(Algebra(2))
