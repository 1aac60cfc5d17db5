"""Points, lines, planes and motions of space against formulas in coordinates."""

import pytest
import torch

from cliffnet import functional as F
from cliffnet.errors import DomainError, ShapeError
from cliffnet.geometry import pga3d
from helpers.golden import golden

pytestmark = pytest.mark.usefixtures("double_precision")

ALGEBRA = pga3d.ALGEBRA


def _unit(*shape):
    x = torch.randn(*shape)
    return x / x.norm(dim=-1, keepdim=True)


def _rotate(quaternion, x):
    v, w = quaternion[..., :3], quaternion[..., 3:]
    v, x = torch.broadcast_tensors(v, x)
    return x + 2 * torch.linalg.cross(v, torch.linalg.cross(v, x) + w * x)


def _close(got, expected, atol=1e-12):
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=atol)


def _dot(a, b):
    return (a * b).sum(-1)


def test_flats_and_back():
    x, unit, distance = torch.randn(4, 1, 3), _unit(1, 5, 3), torch.randn(4, 5)
    _close(pga3d.extract_direction(pga3d.embed_direction(x)), x)
    normal, found = pga3d.extract_plane_distance(-2 * pga3d.embed_plane_at_distance(unit, distance))
    _close(normal, -unit.expand(4, 5, 3))
    _close(found, -distance)
    _close(pga3d.embed_plane(unit, x), pga3d.embed_plane_at_distance(unit, _dot(unit, x)))
    position, direction = pga3d.extract_line(3 * pga3d.embed_line(x, unit))
    _close(direction, unit.expand(4, 5, 3))
    _close(position, x - _dot(x, unit).unsqueeze(-1) * unit)
    _close(pga3d.embed_line(x, unit), pga3d.join(pga3d.embed_point(x), pga3d.embed_direction(unit)))


def test_joins_and_meets():
    p, q, r, u, v = torch.randn(5, 6, 3).unbind(0)
    points = [pga3d.embed_point(x) for x in (p, q, r)]
    _close(pga3d.join(*points[:2]), pga3d.embed_line(p, q - p))
    plane = pga3d.join(*points)
    _close(plane, pga3d.embed_plane(torch.linalg.cross(q - p, r - p), p), atol=1e-11)
    _close(pga3d.join(pga3d.join(*points[:2]), points[2]), plane)
    three = [pga3d.embed_plane(normal, x) for normal, x in ((u, p), (v, q), (q - p, r))]
    matrix, right = torch.stack((u, v, q - p), 1), torch.stack((_dot(u, p), _dot(v, q), _dot(q - p, r)), 1)
    _close(pga3d.extract_point(pga3d.meet(*three)), torch.linalg.solve(matrix, right), atol=1e-9)
    direction = pga3d.extract_ray(pga3d.meet(*three[:2]))[:, :3]
    _close(direction, torch.linalg.cross(u, v))
    through = pga3d.extract_point(pga3d.meet(pga3d.embed_line(p, u), three[1]))
    _close(through, p + (_dot(v, q - p) / _dot(v, u)).unsqueeze(-1) * u, atol=1e-10)


def _skew_distance(p, u, q, v):
    normal = torch.linalg.cross(u, v)
    return _dot(q - p, normal).abs() / normal.norm(dim=-1)


def test_distances():
    p, q = torch.randn(2, 6, 3).unbind(0)
    u, v = _unit(2, 6, 3).unbind(0)
    first, second = 2 * pga3d.embed_point(p), -3 * pga3d.embed_point(q)
    plane, line = 4 * pga3d.embed_plane(u, p), 0.5 * pga3d.embed_line(p, u)
    _close(pga3d.point_distance(first, second), (p - q).norm(dim=-1))
    across = torch.linalg.cross(q - p, u).norm(dim=-1)
    _close(pga3d.point_line_distance(second, line), across)
    _close(pga3d.point_plane_distance(pga3d.embed_point(q), plane), _dot(q - p, u))
    _close(pga3d.line_distance(line, -7 * pga3d.embed_line(q, v)), _skew_distance(p, u, q, v))
    _close(pga3d.line_distance(line, 2 * pga3d.embed_line(q, -u)), across)
    _close(pga3d.line_distance(line, line), torch.zeros(6))
    _close(pga3d.plane_distance(plane, pga3d.embed_plane(-u, q)), _dot(q - p, u).abs())
    _close(pga3d.plane_distance(plane, pga3d.embed_plane(v, q)), torch.zeros(6))
    inside = torch.linalg.cross(u, v)
    _close(pga3d.line_plane_distance(pga3d.embed_line(q, inside), plane), _dot(q - p, u).abs())
    _close(pga3d.line_plane_distance(pga3d.embed_line(q, v), plane), torch.zeros(6))


def test_nearly_parallel_lines_are_continuous():
    p, q, u = torch.randn(3), torch.randn(3), torch.tensor([0.0, 0.0, 1.0])
    across = torch.linalg.cross(u, q - p)
    for tilt in (1e-6, 1e-9, 1e-14, 0.0):
        v = u + tilt * across
        # Lines that lean along the shortest connection's normal keep that connection, and so the distance.
        distance = pga3d.line_distance(pga3d.embed_line(p, u), pga3d.embed_line(q, v / v.norm()))
        assert distance.item() == pytest.approx(across.norm().item(), rel=1e-6)


def test_angles():
    u, v, p = _unit(6, 3), _unit(6, 3), torch.randn(6, 3)
    expected = torch.acos(_dot(u, v))
    _close(pga3d.plane_angle(2 * pga3d.embed_plane(u, p), pga3d.embed_plane(v, -p)), expected)
    _close(pga3d.line_angle(pga3d.embed_line(p, u), 3 * pga3d.embed_line(-p, v)), expected)
    between = pga3d.line_plane_angle(pga3d.embed_line(p, u), pga3d.embed_plane(v, p))
    _close(between, torch.asin(_dot(u, v).abs()))


def test_projections():
    p, q, u, v = torch.randn(6, 3), torch.randn(6, 3), _unit(6, 3), _unit(6, 3)
    point, line, plane = 2 * pga3d.embed_point(q), 3 * pga3d.embed_line(p, u), 4 * pga3d.embed_plane(u, p)
    along = _dot(q - p, u).unsqueeze(-1) * u
    _close(pga3d.extract_point(pga3d.project(point, line)), p + along)
    _close(pga3d.extract_point(pga3d.project(point, plane)), q - along)
    _close(pga3d.normalize(pga3d.project(plane, point)), pga3d.embed_plane(u, q))
    _close(pga3d.normalize(pga3d.project(line, point)), pga3d.embed_line(q, u))
    shadow = pga3d.extract_line(pga3d.project(pga3d.embed_line(q, v), plane))[1]
    flat = v - _dot(v, u).unsqueeze(-1) * u
    _close(shadow, flat / flat.norm(dim=-1, keepdim=True))


def _screw(x, p, u, angle, shift):
    half = 0.5 * angle.unsqueeze(-1)
    return p + _rotate(torch.cat((half.sin() * u, half.cos()), -1), x - p) + shift.unsqueeze(-1) * u


def test_screws():
    x, p, u, angle, shift = torch.randn(5, 3), torch.randn(5, 3), _unit(5, 3), 3 * torch.rand(5), torch.randn(5)
    line = pga3d.embed_line(p, u)
    moved = pga3d.apply_motor(pga3d.embed_screw(2 * line, angle, shift), pga3d.embed_point(x))
    _close(pga3d.extract_point(moved), _screw(x, p, u, angle, shift))
    turned = pga3d.apply_motor(pga3d.embed_rotation_about_line(line, angle), pga3d.embed_point(x))
    _close(pga3d.extract_point(turned), _screw(x, p, u, angle, torch.zeros(5)))
    axis, found_angle, found_shift = pga3d.extract_screw(pga3d.embed_screw(line, angle, shift))
    _close(axis, line, atol=1e-9)
    _close(found_angle, angle)
    _close(found_shift, shift)
    axis, found_angle, found_shift = pga3d.extract_screw(pga3d.embed_translation(2.0 * u))
    _close(axis, pga3d.embed_line(torch.zeros(3), u))
    _close(found_angle, torch.zeros(5))
    _close(found_shift, torch.full((5,), 2.0))
    axis, found_angle, found_shift = pga3d.extract_screw(torch.eye(16)[0])
    _close(torch.cat((axis, found_angle[None], found_shift[None])), torch.zeros(18))
    _close(pga3d.embed_screw(line, 0.5, 2.0), pga3d.embed_screw(line, torch.full((5,), 0.5), torch.tensor(2.0)))


def test_motor_parts():
    quaternion, shift, x = _unit(4, 1, 4), torch.randn(1, 5, 3), torch.randn(3)
    motor = pga3d.embed_motor(quaternion, shift)
    moved = pga3d.extract_point(pga3d.apply_motor(motor, pga3d.embed_point(x)))
    _close(moved, _rotate(quaternion, x) + shift)
    turned, translation = pga3d.extract_motor(2 * motor)
    _close(turned, quaternion.expand(4, 5, 4))
    _close(translation, shift.expand(4, 5, 3))


def test_motor_between():
    p, q, u, v = torch.randn(4, 5, 3).unbind(0)
    pairs = [
        (pga3d.embed_point(p), pga3d.embed_point(q)),
        (pga3d.embed_line(p, u), pga3d.embed_line(q, v)),
        (pga3d.embed_plane(u, p), 2 * pga3d.embed_plane(v, q)),
        (pga3d.embed_plane(u, p), pga3d.embed_plane(u, q)),
    ]
    for first, second in pairs:
        motor = pga3d.motor_between(first, second)
        _close(F.geometric_product(motor, F.reverse(motor, ALGEBRA), ALGEBRA), torch.eye(16)[0].expand(5, 16))
        _close(pga3d.normalize(pga3d.apply_motor(motor, first)), pga3d.normalize(second), atol=1e-10)
    with pytest.raises(DomainError, match="opposite orientations"):
        pga3d.motor_between(pairs[1][0], -pairs[1][0])


def test_measures_are_invariant_and_constructions_equivariant():
    p, q, u, v = torch.randn(4, 5, 3).unbind(0)
    motor = pga3d.embed_motor(_unit(5, 4), torch.randn(5, 3))
    points = pga3d.embed_point(p), pga3d.embed_point(q)
    lines = pga3d.embed_line(p, u), pga3d.embed_line(q, v)
    planes = pga3d.embed_plane(u, p), pga3d.embed_plane(v, q)

    def move(x):
        return pga3d.apply_motor(motor, x)

    for measure, a, b in (
        (pga3d.point_distance, *points),
        (pga3d.point_line_distance, points[1], lines[0]),
        (pga3d.point_plane_distance, points[1], planes[0]),
        (pga3d.line_distance, *lines),
        (pga3d.line_angle, *lines),
        (pga3d.plane_angle, *planes),
        (pga3d.line_plane_angle, lines[0], planes[1]),
    ):
        _close(measure(move(a), move(b)), measure(a, b))
    for build, a, b in (
        (pga3d.join, *points),
        (pga3d.meet, *planes),
        (pga3d.meet, lines[0], planes[1]),
        (pga3d.project, points[1], lines[0]),
        (pga3d.project, lines[1], planes[0]),
    ):
        _close(build(move(a), move(b)), move(build(a, b)), atol=1e-10)


def test_gradients_are_finite_where_objects_coincide():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    u = torch.tensor([0.0, 0.0, 1.0])
    point, line, plane = pga3d.embed_point(x), pga3d.embed_line(x, u), pga3d.embed_plane(u, x)
    total = (
        pga3d.point_distance(point, point.detach())
        + pga3d.point_line_distance(point, line.detach())
        + pga3d.point_plane_distance(point, plane.detach())
        + pga3d.line_distance(line, line.detach())
        + pga3d.plane_distance(plane, plane.detach())
        + pga3d.plane_angle(plane, plane.detach())
        + pga3d.line_angle(line, line.detach())
    )
    (gradient,) = torch.autograd.grad(total, x)
    assert gradient.isfinite().all()
    p, q, u, v = torch.randn(4, 3).unbind(0)
    assert torch.autograd.gradcheck(
        lambda *c: pga3d.line_distance(pga3d.embed_line(c[0], c[1]), pga3d.embed_line(c[2], c[3])),
        [x.clone().requires_grad_() for x in (p, u, q, v)],
    )


def test_compiles_without_breaks():
    def distance(x, y):
        return pga3d.point_line_distance(pga3d.embed_point(x), pga3d.embed_line(y, x))

    x, y = torch.randn(2, 7, 3)
    compiled = torch.compile(distance, fullgraph=True, backend="aot_eager")
    _close(compiled(x, y), distance(x, y))


def test_wrong_shapes_are_named():
    calls = [
        lambda: pga3d.embed_direction(torch.zeros(2)),
        lambda: pga3d.embed_line(torch.zeros(3, 3), torch.zeros(2, 3)),
        lambda: pga3d.embed_plane_at_distance(torch.zeros(3, 3), torch.zeros(2)),
        lambda: pga3d.embed_motor(torch.zeros(3, 4), torch.zeros(2, 3)),
        lambda: pga3d.extract_line(torch.zeros(8)),
        lambda: pga3d.norm(torch.zeros(8)),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="shape"):
            call()


def _compare_with_reference(x):
    points = [pga3d.embed_point(x[f"in/points{suffix}"]) for suffix in ("", "2", "3")]
    planes = [
        pga3d.embed_plane_at_distance(x[f"in/planes{suffix}"][..., :3], -x[f"in/planes{suffix}"][..., 3])
        for suffix in ("", "2", "3")
    ]
    line = pga3d.embed_line(torch.zeros(3), x["in/axis"])
    turn = pga3d.embed_rotation_about_line(line, x["in/angle"])
    motor = F.geometric_product(pga3d.embed_translation(x["in/translation"]), turn, ALGEBRA)
    joined = pga3d.join(*points[:2])
    compared = {
        "point_mv": points[0],
        "plane_mv": planes[0],
        "motor": motor,
        "points_moved": pga3d.extract_point(pga3d.apply_motor(motor, points[0])),
        "planes_moved_mv": pga3d.apply_motor(motor, planes[0]),
        "lines_moved_mv": pga3d.apply_motor(motor, joined),
        "join_line_mv": joined,
        "join_plane_mv": pga3d.join(*points),
        "meet_line_mv": pga3d.meet(*planes[:2]),
        "meet_point_mv": pga3d.meet(*planes),
        "meet_point_xyz": pga3d.extract_point(pga3d.meet(*planes)),
        "point_wedge_plane_I": F.outer_product(points[0], planes[0], ALGEBRA)[..., -1],
    }
    for name, value in compared.items():
        if f"out/{name}" in x:
            _close(value, x[f"out/{name}"])


def test_reference_file():
    file = golden("algebra/geometry_pga3d")
    _compare_with_reference({name: torch.from_numpy(x) for name, x in file.items() if name != "meta"})


def test_reference_numbers():
    # clifford 1.5.1; blades 1, e0 to e3, e01, e02, e03, e12, e13, e23, e012, e013, e023, e123, e0123
    points = [pga3d.embed_point(torch.tensor(x)) for x in ([1.0, 2, 3], [-1.0, 0, 2], [4.0, 1, 0])]
    planes = [
        pga3d.embed_plane_at_distance(torch.tensor(normal), torch.tensor(distance))
        for normal, distance in (([1.0, 2, 2], 3.0), ([2.0, -1, 0], -4.0), ([0.0, 1, -3], -1.0))
    ]
    for got, expected in (
        (points[0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -3, 2, -1, 1, 0]),
        (pga3d.join(*points[:2]), [0, 0, 0, 0, 0, 4, -5, 2, -1, 2, -2, 0, 0, 0, 0, 0]),
        (pga3d.join(*points), [0, -11, 5, -9, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (planes[0], [0, -3, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (pga3d.meet(*planes[:2]), [0, 0, 0, 0, 0, -10, -5, -8, -5, -4, 2, 0, 0, 0, 0, 0]),
        (pga3d.meet(*planes), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -15, 26, 25, 19, 0]),
    ):
        assert got.tolist() == expected
