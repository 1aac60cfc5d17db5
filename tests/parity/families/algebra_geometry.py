"""Points, planes, lines, spheres and motions in the projective and the conformal algebra of space.

Conventions are those written in the files: trivector points ``e123 + x e032 + y e013 + z e021`` in Cl(3,0,1), and
``up(x) = x + x^2 / 2 einf + eo`` with ``eo = (e5 - e4) / 2``, ``einf = e4 + e5`` in Cl(4,1).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from families import algebra_measures as measures
from families.golden import Case, GoldenFile, MalformedFileError, UnsupportedError

PGA_METRIC, CGA_METRIC = (0.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, -1.0)
_POINT = ("e032", "e013", "e021")


def run_pga(golden: GoldenFile, algebra: Algebra) -> Case:
    """Plane-based projective geometry."""
    _check(golden, algebra, PGA_METRIC, PGA_OUTPUTS)
    wedge, vee = F.outer_product, F.regressive_product
    points = [_pga_point(_input(golden, name), algebra) for name in ("points", "points2", "points3")]
    planes = [_put(_input(golden, name), algebra, "e1", "e2", "e3", "e0") for name in ("planes", "planes2", "planes3")]
    motor = _pga_motor(golden, algebra)
    join_line, meet_line = vee(points[0], points[1], algebra), wedge(planes[0], planes[1], algebra)
    meet_point = wedge(meet_line, planes[2], algebra)
    outputs = {
        "point_mv": points[0],
        "plane_mv": planes[0],
        "motor": motor,
        "points_moved": _pga_coordinates(F.sandwich(motor, points[0], algebra), algebra),
        "planes_moved_mv": F.sandwich(motor, planes[0], algebra),
        "lines_moved_mv": F.sandwich(motor, join_line, algebra),
        "join_line_mv": join_line,
        "join_plane_mv": vee(join_line, points[2], algebra),
        "meet_line_mv": meet_line,
        "meet_point_mv": meet_point,
        "meet_point_xyz": _pga_coordinates(meet_point, algebra),
        "point_wedge_plane_I": _component(wedge(points[0], planes[0], algebra), algebra, "e0123"),
    }
    return _case(golden, outputs)


def run_cga(golden: GoldenFile, algebra: Algebra) -> Case:
    """Conformal geometry."""
    _check(golden, algebra, CGA_METRIC, CGA_OUTPUTS)
    a, b, c, d = (_up(_input(golden, name), algebra) for name in "abcd")
    infinity = _put(a.new_ones(2), algebra, "e4", "e5")
    versor = _cga_versor(golden, algebra)
    circle = F.outer_product(F.outer_product(a, b, algebra), c, algebra)
    recorded_log = golden.tensor(golden.groups["out"]["log_clifford"])
    if golden.dtype == torch.float64:
        _check_log(F.exp(recorded_log, algebra), versor)
    outputs = {
        "up_a": a,
        "inner_ab": _component(F.fat_inner_product(a, b, algebra), algebra, "1"),
        "line_mv": F.outer_product(F.outer_product(a, b, algebra), infinity, algebra),
        "circle_mv": circle,
        "sphere_mv": F.outer_product(circle, d, algebra),
        "versor": versor,
        "points_moved": _down(F.sandwich(versor, a, algebra), algebra),
        "log_clifford": F.log(versor, algebra),
    }
    slack = {"log_clifford": float(golden.meta.get("log_roundtrip_max_abs_err", 0.0))}
    return _case(golden, outputs, slack)


def _check(golden: GoldenFile, algebra: Algebra, metric: tuple[float, ...], known: tuple[str, ...]) -> None:
    if algebra.metric != metric:
        raise UnsupportedError(f"these objects live in the metric {metric}, the file has {algebra.metric}")
    unknown = sorted(golden.groups["out"].keys() - set(known))
    if unknown:
        raise UnsupportedError(f"outputs {', '.join(unknown)}")


def _check_log(exponential: Tensor, versor: Tensor) -> None:
    error = float((exponential - versor).abs().max())
    if not error <= 1e-10 * float(versor.abs().max()):
        raise MalformedFileError(f"the recorded logarithm is none: its exponential is off by {error:.1e}")


def _case(golden: GoldenFile, outputs: dict[str, Tensor], slack: dict[str, float] | None = None) -> Case:
    recorded = golden.groups["out"]
    outputs = {name: output for name, output in outputs.items() if name in recorded}
    slack = slack or {}
    return Case(
        outputs,
        {name: measures.relative(ours, recorded[name], slack.get(name, 0.0)) for name, ours in outputs.items()},
    )


def _input(golden: GoldenFile, name: str) -> Tensor:
    if name not in golden.inputs:
        raise MalformedFileError(f"there is no in/{name}")
    return golden.inputs[name]


def _put(values: Tensor, algebra: Algebra, *names: str) -> Tensor:
    """Return the multivector with the given coefficients of the named blades."""
    places, signs = zip(*map(algebra.index, names), strict=True)
    result = values.new_zeros(*values.shape[:-1], algebra.num_blades)
    return result.index_copy(-1, torch.tensor(places, device=values.device), values * values.new_tensor(signs))


def _component(x: Tensor, algebra: Algebra, name: str) -> Tensor:
    place, sign = algebra.index(name)
    return sign * x[..., place]


def _components(x: Tensor, algebra: Algebra, *names: str) -> Tensor:
    return torch.stack([_component(x, algebra, name) for name in names], -1)


def _rotor(golden: GoldenFile, algebra: Algebra) -> Tensor:
    axis, angle = _input(golden, "axis"), _input(golden, "angle")
    return F.exp(_put(-0.5 * angle.unsqueeze(-1) * axis, algebra, "e23", "e31", "e12"), algebra)


def _one(like: Tensor, algebra: Algebra) -> Tensor:
    return _put(like.new_ones(*like.shape[:-1], 1), algebra, "1")


def _pga_point(coordinates: Tensor, algebra: Algebra) -> Tensor:
    weight = coordinates.new_ones(*coordinates.shape[:-1], 1)
    return _put(torch.cat((weight, coordinates), -1), algebra, "e123", *_POINT)


def _pga_coordinates(point: Tensor, algebra: Algebra) -> Tensor:
    return _components(point, algebra, *_POINT) / _component(point, algebra, "e123").unsqueeze(-1)


def _pga_motor(golden: GoldenFile, algebra: Algebra) -> Tensor:
    translation = _input(golden, "translation")
    translator = _one(translation, algebra) + _put(-0.5 * translation, algebra, "e01", "e02", "e03")
    return F.geometric_product(translator, _rotor(golden, algebra), algebra)


def _up(x: Tensor, algebra: Algebra) -> Tensor:
    half_square = 0.5 * x.square().sum(-1, keepdim=True)
    return _put(torch.cat((x, half_square - 0.5, half_square + 0.5), -1), algebra, "e1", "e2", "e3", "e4", "e5")


def _down(point: Tensor, algebra: Algebra) -> Tensor:
    weight = _component(point, algebra, "e5") - _component(point, algebra, "e4")  # -point . einf
    return _components(point, algebra, "e1", "e2", "e3") / weight.unsqueeze(-1)


def _cga_versor(golden: GoldenFile, algebra: Algebra) -> Tensor:
    translation, scale = _input(golden, "translation"), _input(golden, "scale")
    # t einf = t e4 + t e5, and eo ^ einf = -e45
    names = [f"e{i}{last}" for last in (4, 5) for i in (1, 2, 3)]
    translator = _one(translation, algebra) + _put(-0.5 * translation.repeat(1, 2), algebra, *names)
    half_log = 0.5 * scale.log()
    dilator = _put(torch.stack((half_log.cosh(), -half_log.sinh()), -1), algebra, "1", "e45")
    versor = F.geometric_product(translator, dilator, algebra)
    return F.geometric_product(versor, _rotor(golden, algebra), algebra)


PGA_OUTPUTS = (
    *("point_mv", "plane_mv", "motor", "points_moved", "planes_moved_mv", "lines_moved_mv", "join_line_mv"),
    *("join_plane_mv", "meet_line_mv", "meet_point_mv", "meet_point_xyz", "point_wedge_plane_I"),
)
CGA_OUTPUTS = (*("up_a", "inner_ab", "line_mv", "circle_mv", "sphere_mv", "versor", "points_moved", "log_clifford"),)
# Outputs that tell what a file is about -> how to compute it.
GEOMETRIES: tuple[tuple[frozenset[str], Callable[[GoldenFile, Algebra], Case]], ...] = (
    (frozenset(("point_mv", "motor")), run_pga),
    (frozenset(("up_a",)), run_cga),
)
