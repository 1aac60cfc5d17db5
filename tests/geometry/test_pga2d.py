import math

import pytest
import torch

from cliffnet import functional as F
from cliffnet.errors import ShapeError
from cliffnet.geometry import pga2d

pytestmark = pytest.mark.usefixtures("double_precision")

ALGEBRA = pga2d.ALGEBRA


def _unit(*shape):
    x = torch.randn(*shape)
    return x / x.norm(dim=-1, keepdim=True)


def _turn(angle, x):
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack((cosine * x[..., 0] - sine * x[..., 1], sine * x[..., 0] + cosine * x[..., 1]), dim=-1)


def _left(direction):
    return torch.stack((-direction[..., 1], direction[..., 0]), dim=-1)


def _close(got, expected, atol=1e-12):
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=atol)


def test_known_coefficients():
    point = pga2d.embed_point(torch.tensor([3.0, 4.0]))
    assert dict(zip(ALGEBRA.blade_names, point.tolist(), strict=True)) == {
        "1": 0, "e0": 0, "e1": 0, "e2": 0, "e01": 4, "e02": -3, "e12": 1, "e012": 0,
    }  # fmt: skip
    line = pga2d.embed_line(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]))
    assert line.tolist() == [0, -2, 0, 1, 0, 0, 0, 0]


def test_round_trips():
    x, direction, angle, shift = torch.randn(4, 1, 2), _unit(1, 5, 2), torch.randn(4, 5), torch.randn(4, 5, 2)
    _close(pga2d.extract_point(-2 * pga2d.embed_point(x)), x)
    _close(pga2d.extract_direction(pga2d.embed_direction(direction)), direction)
    position, found = pga2d.extract_line(3 * pga2d.embed_line(x, direction))
    _close(found, direction.expand(4, 5, 2))
    _close(position, x - (x * direction).sum(-1, keepdim=True) * direction)
    normal, distance = pga2d.extract_line_distance(2 * pga2d.embed_line_at_distance(direction, angle))
    _close(normal, direction.expand(4, 5, 2))
    _close(distance, angle)
    turned, moved = pga2d.extract_motor(-3 * pga2d.embed_motor(angle, shift))
    _close(torch.cos(turned), torch.cos(angle))
    _close(torch.sin(turned), torch.sin(angle))
    _close(moved, shift)


def test_incidence():
    p, q, r = torch.randn(3, 6, 2).unbind(0)
    line = pga2d.join(pga2d.embed_point(p), pga2d.embed_point(q))
    _close(line, pga2d.embed_line(p, q - p))
    _close(line, pga2d.join(pga2d.embed_point(p), pga2d.embed_direction(q - p)))
    # Cramer's rule for p + s (q - p) = r + t u
    u = torch.randn(6, 2)
    other = pga2d.embed_line(r, u)
    solution = torch.linalg.solve(torch.stack((q - p, -u), dim=-1), r - p)
    _close(pga2d.extract_point(pga2d.meet(line, other)), p + solution[:, :1] * (q - p), atol=1e-10)
    parallel = pga2d.meet(pga2d.embed_line(p, u), other)
    _close(pga2d.norm(parallel), torch.zeros(6))
    assert (pga2d.ideal_norm(parallel) > 0).all()


def test_distances_angles_and_projections():
    p, q, direction, other = torch.randn(6, 2), torch.randn(6, 2), _unit(6, 2), _unit(6, 2)
    first, second = 2 * pga2d.embed_point(p), -3 * pga2d.embed_point(q)
    line = 5 * pga2d.embed_line(p, direction)
    _close(pga2d.point_distance(first, second), (p - q).norm(dim=-1))
    expected = ((q - p) * _left(direction)).sum(-1)
    _close(pga2d.point_line_distance(pga2d.embed_point(q), line), expected)
    _close(pga2d.line_distance(line, pga2d.embed_line(q, -direction)), expected.abs())
    _close(pga2d.line_distance(line, pga2d.embed_line(q, other)), torch.zeros(6))
    angle = pga2d.line_angle(line, pga2d.embed_line(q, other))
    _close(_turn(angle, direction), other)
    foot = p + ((q - p) * direction).sum(-1, keepdim=True) * direction
    _close(pga2d.extract_point(pga2d.project(second, line)), foot)
    through = pga2d.normalize(pga2d.project(line, second))
    _close(through, pga2d.embed_line(q, direction))


def test_motors_move_coordinates():
    x, center, angle, shift = torch.randn(5, 2), torch.randn(5, 2), torch.randn(5), torch.randn(5, 2)
    point = pga2d.embed_point(x)
    _close(pga2d.apply_motor(pga2d.embed_translation(shift), point), pga2d.embed_point(x + shift))
    about = pga2d.embed_rotation_about_point(2 * pga2d.embed_point(center), angle)
    _close(pga2d.extract_point(pga2d.apply_motor(about, point)), center + _turn(angle, x - center))
    _close(pga2d.extract_point(pga2d.extract_center(about)), center, atol=1e-10)
    motor = pga2d.embed_motor(angle, shift)
    _close(pga2d.extract_point(pga2d.apply_motor(motor, point)), _turn(angle, x) + shift)
    _close(F.exp(F.log(motor, ALGEBRA), ALGEBRA), motor)


def test_motor_between():
    p, q, direction, other = torch.randn(4, 5, 2).unbind(0)
    points = pga2d.embed_point(p), pga2d.embed_point(q)
    lines = pga2d.embed_line(p, direction), pga2d.embed_line(q, other)
    parallel = pga2d.embed_line(p, direction), pga2d.embed_line(q, direction)
    for first, second in (points, lines, parallel):
        moved = pga2d.apply_motor(pga2d.motor_between(first, second), first)
        _close(pga2d.normalize(moved), pga2d.normalize(second))


def test_measures_are_invariant_and_constructions_equivariant():
    p, q, direction = torch.randn(3, 5, 2).unbind(0)
    motor = pga2d.embed_motor(torch.randn(5), torch.randn(5, 2))
    first, second = pga2d.embed_point(p), pga2d.embed_point(q)
    lines = pga2d.embed_line(p, direction), pga2d.embed_line(q, p)

    def move(x):
        return pga2d.apply_motor(motor, x)

    for measure, a, b in (
        (pga2d.point_distance, first, second),
        (pga2d.point_line_distance, second, lines[0]),
        (pga2d.line_angle, *lines),
    ):
        _close(measure(move(a), move(b)), measure(a, b))
    for build, a, b in (
        (pga2d.join, first, second),
        (pga2d.meet, *lines),
        (pga2d.project, second, lines[0]),
    ):
        _close(build(move(a), move(b)), move(build(a, b)))


def test_gradients_are_finite_where_objects_coincide():
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    line = pga2d.embed_line(x.detach(), torch.tensor([1.0, 0.0]))
    point = pga2d.embed_point(x)
    total = pga2d.point_distance(point, point.detach()) + pga2d.point_line_distance(point, line)
    moved = pga2d.embed_line(x, torch.tensor([1.0, 0.0]))
    total = total + pga2d.line_distance(moved, line) + pga2d.line_angle(moved, line)
    (gradient,) = torch.autograd.grad(total.sum(), x)
    assert gradient.isfinite().all()
    assert gradient[0, 1].item() == pytest.approx(1.0)


def test_float32_and_extremes():
    x = torch.tensor([1.0, 2.0], dtype=torch.float32)
    assert pga2d.embed_point(x).dtype == torch.float32
    assert pga2d.embed_point(torch.zeros(0, 2)).shape == (0, 8)
    assert not pga2d.extract_point(pga2d.embed_direction(x)).isfinite().any()
    assert math.isnan(pga2d.embed_point(torch.tensor([math.nan, 0.0]))[5].item())


def test_wrong_shapes_are_named():
    calls = [
        lambda: pga2d.embed_point(torch.zeros(3)),
        lambda: pga2d.extract_point(torch.zeros(16)),
        lambda: pga2d.embed_line(torch.zeros(3, 2), torch.zeros(2, 2)),
        lambda: pga2d.embed_rotation_about_point(torch.zeros(3, 8), torch.zeros(2)),
        lambda: pga2d.norm(torch.zeros(16)),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="shape"):
            call()
