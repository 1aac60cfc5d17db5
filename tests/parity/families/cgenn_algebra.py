"""Algebras of CGENN and GLGENN: tables, products, invariants, versors and quaternion types, by public functions.

Their blades are in our order. Their tables have the output of a product in the middle.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from families.golden import Case, GoldenFile, MalformedFileError, UnsupportedError


def run(golden: GoldenFile) -> Case:
    metric = golden.meta.get("metric") or golden.config.get("metric")
    if not isinstance(metric, list):
        raise MalformedFileError("meta lacks the metric")
    algebra = Algebra(metric=metric)
    case = Case()
    for name in golden.groups["out"]:
        case.outputs[name] = _find(name)(golden, algebra).to(golden.device)
    return case


Step = Callable[[GoldenFile, Algebra], Tensor]


def _find(name: str) -> Step:
    if name in STEPS:
        return STEPS[name]
    for pattern, make in FAMILIES_OF_STEPS.items():
        match = re.fullmatch(pattern, name)
        if match:
            return make(match[1])
    raise UnsupportedError(f"output {name!r}")


def _input(golden: GoldenFile, name: str) -> Tensor:
    if name not in golden.inputs:
        raise MalformedFileError(f"there is no in/{name}")
    return golden.inputs[name]


def _of_x(function: Callable[[Tensor, Algebra], Tensor]) -> Step:
    return lambda golden, algebra: function(_input(golden, "x"), algebra)


def _of_x_and_y(function: Callable[[Tensor, Tensor, Algebra], Tensor]) -> Step:
    return lambda golden, algebra: function(_input(golden, "x"), _input(golden, "y"), algebra)


def _x_y_x(x: Tensor, y: Tensor, algebra: Algebra) -> Tensor:
    return F.geometric_product(F.geometric_product(x, y, algebra), x, algebra)


def _vector(x: Tensor, algebra: Algebra) -> Tensor:
    return F.change_layout(x, algebra.full, algebra.vectors, project=True)


def _vector_by_full(x: Tensor, y: Tensor, algebra: Algebra) -> Tensor:
    return F.geometric_product(
        _vector(x, algebra), y, algebra, a_layout=algebra.vectors, b_layout=algebra.full, out_layout=algebra.full
    )


def _scalar_of_vectors(x: Tensor, y: Tensor, algebra: Algebra) -> Tensor:
    vectors, scalars = algebra.vectors, algebra.scalars
    left, right = _vector(x, algebra), _vector(y, algebra)
    return F.geometric_product(left, right, algebra, a_layout=vectors, b_layout=vectors, out_layout=scalars)


def _cayley(golden: GoldenFile, algebra: Algebra) -> Tensor:
    basis = torch.eye(algebra.num_blades, dtype=golden.dtype, device=golden.device)
    return F.geometric_product(basis[:, None], basis, algebra).movedim(-1, 1)


def _paths(partition: Partition) -> Tensor:
    reached = torch.zeros([len(partition)] * 3, dtype=torch.bool)
    for path in partition.paths():
        reached[path] = True
    return reached


def _types(algebra: Algebra) -> Partition:
    return Partition.by_grade_mod(algebra, 4)


def _blades_of_type(algebra: Algebra, kind: int) -> Tensor:
    owners = torch.tensor(_types(algebra).class_of_blades())
    return (owners == kind).nonzero().squeeze(-1)


def _places_by_type(algebra: Algebra) -> Tensor:
    """Return where each blade stands when the blades are sorted by type."""
    return torch.tensor(_types(algebra).class_of_blades()).argsort(stable=True).argsort()


def _part_of_type(kind: str) -> Step:
    def take(golden: GoldenFile, algebra: Algebra) -> Tensor:
        grades = _types(algebra).classes[int(kind)]
        layout = algebra.layout(grades=grades)
        return F.change_layout(_input(golden, "x"), algebra.full, layout, project=True)

    return take


def _normalised(versor: Tensor, algebra: Algebra) -> Tensor:
    return versor / F.class_norms(versor, Partition.whole(algebra))


STEPS: dict[str, Step] = {
    "gp": _of_x_and_y(F.geometric_product),
    "alpha": _of_x(F.grade_involute),
    "beta": _of_x(F.reverse),
    "gamma": _of_x(F.clifford_conjugate),
    "reduce_gp_xyx": _of_x_and_y(_x_y_x),
    "sandwich_xyx": _of_x_and_y(_x_y_x),
    "gp_vec_full": _of_x_and_y(_vector_by_full),
    "gp_vecvec_to_scalar": _of_x_and_y(_scalar_of_vectors),
    "cayley": _cayley,
    "blade_bitmap": lambda _, algebra: torch.tensor(algebra.blade_masks),
    "blade_grade": lambda _, algebra: torch.tensor(algebra.grades),
    "subspaces": lambda _, algebra: torch.bincount(torch.tensor(algebra.grades)),
    "geometric_product_paths": lambda _, algebra: _paths(Partition.by_grade(algebra)),
    "b": _of_x_and_y(lambda x, y, algebra: F.inner_product(x, y, algebra).unsqueeze(-1)),
    "q": _of_x(lambda x, algebra: F.norm_squared(x, algebra).unsqueeze(-1)),
    "norm": _of_x(lambda x, algebra: F.class_norms(x, Partition.whole(algebra))),
    "qs": _of_x(lambda x, algebra: F.class_squares(x, Partition.by_grade(algebra))),
    "norms": _of_x(lambda x, algebra: F.class_norms(x, Partition.by_grade(algebra))),
    "norms_qt": _of_x(lambda x, algebra: F.class_norms(x, _types(algebra))),
    "qt_geometric_product_paths": lambda _, algebra: _paths(_types(algebra)),
    "qt_dims": lambda _, algebra: torch.bincount(torch.tensor(_types(algebra).class_of_blades())),
    "weights_permutation": lambda _, algebra: _places_by_type(algebra),
}
# The group of a pattern says which grade, type or versor.
FAMILIES_OF_STEPS: dict[str, Callable[[str], Step]] = {
    r"embed_grade(\d+)": lambda grade: _of_x(lambda x, algebra: F.grade_project(x, int(grade), algebra)),
    r"get_grade(\d+)": lambda grade: _of_x(
        lambda x, algebra: F.change_layout(x, algebra.full, algebra.layout(grades=[int(grade)]), project=True)
    ),
    r"qt(\d)": _part_of_type,
    r"qt(\d)_index": lambda kind: lambda _, algebra: _blades_of_type(algebra, int(kind)),
    r"inverse_(\w+)": lambda name: lambda golden, algebra: F.inverse(_input(golden, f"w_{name}"), algebra),
    r"normalised_(\w+)": lambda name: lambda golden, algebra: _normalised(_input(golden, f"w_{name}"), algebra),
    r"rho_(\w+)": lambda name: (
        lambda golden, algebra: F.sandwich(_input(golden, f"w_{name}"), _input(golden, "x"), algebra)
    ),
}
