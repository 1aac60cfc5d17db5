"""Conformal geometry against formulas in coordinates."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import ShapeError
from cliffnet.geometry import cga
from helpers.golden import golden

pytestmark = pytest.mark.usefixtures("double_precision")

DIMS = [2, 3, 4]


def _unit(*shape):
    x = torch.randn(*shape)
    return x / x.norm(dim=-1, keepdim=True)


def _close(got, expected, atol=1e-11):
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=atol)


def _dot(a, b):
    return (a * b).sum(-1)


def _parallel(a, b):
    """Assert that multivectors agree up to a factor."""
    a, b = (x / x.norm(dim=-1, keepdim=True) for x in (a, b))
    _close(a * _dot(a, b).sign().unsqueeze(-1), b)


def _circumcircle(a, b, c):
    """Return centre, unit normal and radius of the circle through three points of space."""
    u, v = b - a, c - a
    normal = torch.linalg.cross(u, v)
    square = _dot(normal, normal).unsqueeze(-1)
    offset = torch.linalg.cross(_dot(u, u).unsqueeze(-1) * v - _dot(v, v).unsqueeze(-1) * u, normal) / (2 * square)
    return a + offset, normal / square.sqrt(), offset.norm(dim=-1)


def test_the_frame():
    algebra = Algebra.cga(3)
    eo, einf = cga.origin(algebra), cga.infinity(algebra)
    inner = torch.tensor([[F.inner_product(a, b, algebra) for b in (eo, einf)] for a in (eo, einf)])
    assert inner.tolist() == [[0, -1], [-1, 0]]
    assert cga.algebra_of(torch.zeros(5, 32)) is algebra
    assert torch.equal(cga.up(torch.zeros(3)), eo)


@pytest.mark.parametrize("n", DIMS)
def test_points(n):
    x, y = torch.randn(2, 6, n).unbind(0)
    p, q = cga.up(x), -3 * cga.up(y)
    _close(F.norm_squared(p, Algebra.cga(n)), torch.zeros(6))
    _close(cga.down(q), y)
    _close(cga.weight(q), torch.full((6,), -3.0))
    _close(cga.squared_distance(p, q), (x - y).square().sum(-1))
    _close(cga.point_distance(p, q), (x - y).norm(dim=-1))


@pytest.mark.parametrize("n", DIMS)
def test_dual_spheres_and_planes(n):
    c, x, unit, r, d = torch.randn(6, n), torch.randn(6, n), _unit(6, n), torch.rand(6) + 0.5, torch.randn(6)
    sphere, plane = -2 * cga.embed_dual_sphere(c, r), 3 * cga.embed_dual_plane(unit, d)
    center, radius = cga.extract_dual_sphere(sphere)
    _close(center, c)
    _close(radius, r)
    _close(cga.sphere_power(cga.up(x), sphere), (x - c).square().sum(-1) - r**2)
    _close(cga.plane_distance(cga.up(x), plane), _dot(unit, x) - d)
    normal, distance = cga.extract_dual_plane(plane)
    _close(normal, unit)
    _close(distance, d)
    for found, expected in zip(cga.extract_sphere(cga.embed_sphere(c, r)), (c, r), strict=True):
        _close(found, expected)
    for found, expected in zip(cga.extract_plane(cga.embed_plane(unit, d)), (unit, d), strict=True):
        _close(found, expected)
    _close(cga.undual(cga.dual(sphere)), sphere)
    on = c + r.unsqueeze(-1) * unit
    _close(F.outer_product(cga.up(on), cga.embed_sphere(c, r), Algebra.cga(n)), torch.zeros(6, 2 ** (n + 2)))


@pytest.mark.parametrize("n", DIMS)
def test_rounds_through_points(n):
    points = torch.randn(n + 1, 6, n).unbind(0)
    sphere = cga.embed_round(*points)
    # The centre is as far from every point: 2 (p_i - p_0) . c = p_i^2 - p_0^2
    matrix = 2 * torch.stack([p - points[0] for p in points[1:]], dim=1)
    right = torch.stack([_dot(p, p) - _dot(points[0], points[0]) for p in points[1:]], dim=1)
    center = torch.linalg.solve(matrix, right)
    radius = (points[0] - center).norm(dim=-1)
    found, size = cga.extract_sphere(sphere)
    torch.testing.assert_close(found, center, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(size, radius, rtol=1e-8, atol=1e-8)
    _close(cga.extract_center(sphere), found, atol=1e-8)
    torch.testing.assert_close(cga.extract_squared_radius(sphere), radius**2, rtol=1e-8, atol=1e-8)
    _parallel(sphere, cga.embed_sphere(found, size))


@pytest.mark.parametrize("n", DIMS)
def test_point_pairs(n):
    x, y = torch.randn(2, 6, n).unbind(0)
    pair = cga.embed_round(x, y)
    first, second = cga.split_point_pair(2 * pair)
    _close(cga.down(first), x)
    _close(cga.down(second), y)
    _close(cga.extract_center(pair), (x + y) / 2)
    _close(cga.extract_squared_radius(pair), (x - y).square().sum(-1) / 4)
    tangent = cga.embed_tangent(x, y)
    _close(cga.extract_squared_radius(tangent), torch.zeros(6))
    _close(cga.extract_center(tangent), x)


def test_circles_of_space():
    a, b, c = torch.randn(3, 6, 3).unbind(0)
    circle = cga.embed_round(a, b, c)
    center, normal, radius = _circumcircle(a, b, c)
    for found, expected in zip(cga.extract_circle(circle), (center, normal, radius), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    built = cga.embed_circle(center, normal, radius)
    for found, expected in zip(cga.extract_circle(built), (center, normal, radius), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    unit = [x / x.norm(dim=-1, keepdim=True) for x in (circle, built)]
    torch.testing.assert_close(*unit, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n", DIMS)
def test_flats(n):
    x, y, unit = torch.randn(6, n), torch.randn(6, n), _unit(6, n)
    line = cga.embed_line(x, unit)
    _close(cga.embed_flat(x, x + unit), line)
    position, direction = cga.extract_line(2 * line)
    _close(direction, unit)
    _close(position, x - _dot(x, unit).unsqueeze(-1) * unit)
    _close(cga.project_on_flat(y, line), x + _dot(y - x, unit).unsqueeze(-1) * unit)
    plane = cga.embed_plane(unit, _dot(unit, x))
    _close(cga.project_on_flat(y, plane), y - _dot(y - x, unit).unsqueeze(-1) * unit)
    _close(cga.extract_flat_point(-2 * cga.embed_flat(x)), x)
    _close(cga.extract_direction(cga.embed_direction(y)), y)


def test_planes_of_space_through_points():
    a, b, c = torch.randn(3, 6, 3).unbind(0)
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / normal.norm(dim=-1, keepdim=True)
    found, distance = cga.extract_plane(cga.embed_flat(a, b, c))
    _close(found, normal)
    _close(distance, _dot(normal, a))


def test_intersections():
    c, d, u = torch.randn(6, 3), torch.randn(6, 3), _unit(6, 3)
    gap = (c - d).norm(dim=-1)
    r, s = gap, 0.8 * gap
    circle = cga.meet(cga.embed_sphere(c, r), cga.embed_sphere(d, s))
    along = (d - c) / gap.unsqueeze(-1)
    step = (r**2 - s**2 + gap**2) / (2 * gap)
    center, normal, radius = cga.extract_circle(circle)
    _close(center, c + step.unsqueeze(-1) * along)
    _close(normal * _dot(normal, along).sign().unsqueeze(-1), along)
    _close(radius, (r**2 - step**2).sqrt())
    # a line through a point inside the sphere
    inside = c + 0.3 * r.unsqueeze(-1) * _unit(6, 3)
    first, second = cga.split_point_pair(cga.meet(cga.embed_sphere(c, r), cga.embed_line(inside, u)))
    middle = inside - _dot(inside - c, u).unsqueeze(-1) * u
    half = (r**2 - (middle - c).square().sum(-1)).sqrt().unsqueeze(-1) * u
    ends = torch.stack((cga.down(first), cga.down(second)))
    expected = torch.stack((middle - half, middle + half))
    swapped = _dot(ends[1] - ends[0], u) < 0
    _close(torch.where(swapped.unsqueeze(-1), ends.flip(0), ends), expected)
    # planes, and a plane with a line
    line = cga.meet(cga.embed_plane(u, _dot(u, c)), cga.embed_plane(along, _dot(along, d)))
    direction = torch.linalg.cross(u, along)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    position, found = cga.extract_line(line)
    _close(found * _dot(found, direction).sign().unsqueeze(-1), direction)
    _close(_dot(position, u), _dot(u, c))
    point = cga.extract_flat_point(cga.meet(cga.embed_plane(u, _dot(u, c)), cga.embed_line(d, along)))
    _close(point, d + (_dot(u, c - d) / _dot(u, along)).unsqueeze(-1) * along)
    # spheres that are apart meet in an imaginary circle
    apart = cga.meet(cga.embed_sphere(c, 0.3 * gap), cga.embed_sphere(d, 0.3 * gap))
    assert (cga.extract_squared_radius(apart) < 0).all()


def test_angles_of_spheres():
    c, d, r, s = torch.randn(6, 3), torch.randn(6, 3), torch.rand(6) + 0.5, torch.rand(6) + 0.5
    expected = (r**2 + s**2 - (c - d).square().sum(-1)) / (2 * r * s)
    dual = cga.intersection_cosine(2 * cga.embed_dual_sphere(c, r), cga.embed_dual_sphere(d, s))
    direct = cga.intersection_cosine(cga.embed_sphere(c, r), cga.embed_sphere(d, s))
    _close(dual, expected)
    _close(direct.abs(), expected.abs())


@pytest.mark.parametrize("n", DIMS)
def test_versors_move_coordinates(n):
    x, shift, scale, angle = torch.randn(5, n), torch.randn(5, n), torch.rand(5) + 0.5, torch.randn(5)
    point = cga.up(x)
    _close(cga.apply_versor(cga.embed_translation(shift), point), cga.up(x + shift))
    _close(cga.down(cga.apply_versor(cga.embed_dilation(scale, dim=n), point)), scale.unsqueeze(-1) * x)
    first, second = torch.eye(n)[0], torch.eye(n)[1]
    expected = x.clone()
    expected[:, 0] = angle.cos() * x[:, 0] - angle.sin() * x[:, 1]
    expected[:, 1] = angle.sin() * x[:, 0] + angle.cos() * x[:, 1]
    turn = cga.embed_rotation_in_plane(first, first + 2 * second, angle)
    _close(cga.apply_versor(turn, point), cga.up(expected))
    center, radius = shift, scale
    inverted = center + radius.unsqueeze(-1) ** 2 * (x - center) / (x - center).square().sum(-1, keepdim=True)
    _close(cga.down(cga.apply_versor(cga.embed_dual_sphere(center, radius), point)), inverted)
    normal, distance = shift / shift.norm(dim=-1, keepdim=True), angle
    mirrored = x - 2 * (_dot(x, normal) - distance).unsqueeze(-1) * normal
    _close(cga.down(cga.apply_versor(cga.embed_dual_plane(normal, distance), point)), mirrored)


def test_rotations_of_space():
    x, axis, angle = torch.randn(5, 3), _unit(5, 3), torch.randn(5)
    cosine, sine = angle.cos().unsqueeze(-1), angle.sin().unsqueeze(-1)
    expected = cosine * x + sine * torch.linalg.cross(axis, x) + (1 - cosine) * _dot(axis, x).unsqueeze(-1) * axis
    _close(cga.apply_versor(cga.embed_rotation(axis, angle), cga.up(x)), cga.up(expected))


def test_constructions_are_equivariant_under_conformal_maps():
    algebra = Algebra.cga(3)
    a, b, c, d, t = torch.randn(5, 5, 3).unbind(0)
    versor = F.geometric_product(
        cga.embed_translation(t),
        F.geometric_product(cga.embed_dilation(torch.rand(5) + 0.5), cga.embed_rotation(_unit(5, 3), a[:, 0]), algebra),
        algebra,
    )
    sphere = cga.embed_dual_sphere(d, torch.rand(5) + 0.5)

    def move(g, x):
        return cga.apply_versor(g, x)

    for g in (versor, sphere):
        moved = [cga.down(move(g, cga.up(x))) for x in (a, b, c)]
        _parallel(cga.embed_round(*moved), move(g, cga.embed_round(a, b, c)))
    circle, line = cga.embed_round(a, b, c), cga.embed_line(a, t)
    ball = cga.embed_sphere(d, torch.full((5,), 5.0))
    for other in (circle, line):
        _close(cga.meet(move(versor, ball), move(versor, other)), move(versor, cga.meet(ball, other)), atol=1e-9)
    others = cga.embed_dual_sphere(a, torch.rand(5) + 0.5)
    cosine = cga.intersection_cosine(sphere, others)
    _close(cga.intersection_cosine(move(versor, sphere), move(versor, others)), cosine)


def test_gradients():
    x = torch.randn(4, 3, requires_grad=True)
    y = torch.randn(4, 3)
    same = cga.point_distance(cga.up(x), cga.up(x).detach()).sum()
    assert torch.autograd.grad(same, x)[0].isfinite().all()

    def radius(*points):
        return cga.extract_sphere(cga.embed_round(*points))[1]

    points = [torch.randn(3, requires_grad=True) for _ in range(4)]
    assert torch.autograd.gradcheck(radius, points)
    assert torch.autograd.gradcheck(lambda a: cga.down(cga.split_point_pair(cga.embed_round(a, y))[1]), [x])


def test_broadcasting_dtype_and_empty_batches():
    assert torch.equal(cga.embed_sphere(torch.zeros(3), 2.0), cga.embed_sphere(torch.zeros(3), torch.tensor(2.0)))
    x = torch.randn(4, 1, 3, dtype=torch.float32)
    sphere = cga.embed_sphere(x, torch.rand(5, dtype=torch.float32))
    assert sphere.shape == (4, 5, 32)
    assert sphere.dtype == torch.float32
    assert cga.embed_round(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 32)


def test_compiles_without_breaks():
    def radius(x, y):
        return cga.extract_circle(cga.embed_round(x, y, x + 1))[2]

    x, y = torch.randn(2, 7, 3)
    compiled = torch.compile(radius, fullgraph=True, backend="aot_eager")
    _close(compiled(x, y), radius(x, y))


def test_wrong_shapes_are_named():
    calls = [
        lambda: cga.up(torch.zeros(11)),
        lambda: cga.up(torch.zeros(())),
        lambda: cga.down(torch.zeros(30)),
        lambda: cga.embed_circle(torch.zeros(2), torch.zeros(2), torch.ones(())),
        lambda: cga.embed_sphere(torch.zeros(3, 3), torch.ones(2)),
        lambda: cga.extract_circle(torch.zeros(16)),
        lambda: cga.embed_line(torch.zeros(3), torch.zeros(2)),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="shape"):
            call()


def test_reference_file():
    file = golden("algebra/geometry_cga3d")
    x = {name: torch.from_numpy(value) for name, value in file.items() if name != "meta"}
    algebra = Algebra.cga(3)
    a, b, c, d = (x[f"in/{name}"] for name in "abcd")
    turn = cga.embed_rotation(x["in/axis"], x["in/angle"])
    scaled = F.geometric_product(cga.embed_dilation(x["in/scale"]), turn, algebra)
    versor = F.geometric_product(cga.embed_translation(x["in/translation"]), scaled, algebra)
    for name, value in {
        "up_a": cga.up(a),
        "inner_ab": -0.5 * cga.squared_distance(cga.up(a), cga.up(b)),
        "line_mv": cga.embed_flat(a, b),
        "circle_mv": cga.embed_round(a, b, c),
        "sphere_mv": cga.embed_round(a, b, c, d),
        "versor": versor,
        "points_moved": cga.down(cga.apply_versor(versor, cga.up(a))),
    }.items():
        torch.testing.assert_close(value, x[f"out/{name}"], rtol=1e-12, atol=1e-12)
    # clifford's own round trip of this logarithm errs by 2e-13
    torch.testing.assert_close(F.log(versor, algebra), x["out/log_clifford"], rtol=1e-11, atol=1e-11)


def test_reference_numbers():
    # clifford 1.5.1: the coefficients of one grade, in the order of the algebra
    a, b, c, d = torch.tensor([[1.0, 2, 3], [-1.0, 0, 2], [4.0, 1, 0], [0.0, -2, 1]])
    for got, grade, expected in (
        (cga.up(a), 1, [1, 2, 3, 6.5, 7.5]),
        (cga.embed_flat(a, b), 3, [0, 2, 2, 5, 5, -2, 4, 4, -2, -1]),
        (cga.embed_round(a, b, c), 3, [11, 23.5, 31.5, 12, 21, 10.5, 25, 30, -7.5, -15]),
        (cga.embed_round(a, b, c, d), 4, [-25.5, -40.5, -13.5, 4.5, -22.5]),
    ):
        algebra = Algebra.cga(3)
        assert got[list(algebra.grade_indices(grade))].tolist() == expected
        assert torch.equal(F.grade_project(got, [grade], algebra), got)
