"""Whole algebras, as general geometric-algebra libraries compute them: products, duals, inverse, exponential.

A file states the metric, the names, order and signs of the blades, and what each output means; we compute in that
basis, not in ours.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from families import algebra_measures as measures
from families.algebra_geometry import GEOMETRIES
from families.golden import Case, GoldenFile, MalformedFileError, UnsupportedError

Product = Callable[[Tensor, Tensor, Algebra], Tensor]
Map = Callable[[Tensor, Algebra], Tensor]


def _scalar_product(a: Tensor, b: Tensor, algebra: Algebra) -> Tensor:
    return F.scalar_product(a, b, algebra)[..., algebra.blade_masks.index(0)]


def _dual(x: Tensor, algebra: Algebra, definition: str) -> Tensor:
    if definition.startswith("polarity"):
        return F.polarity(x, algebra)
    if definition.startswith("right complement"):
        return F.right_complement(x, algebra)
    raise UnsupportedError(f"a dual defined as {definition!r}")


PRODUCTS: dict[str, Product] = {
    "gp": F.geometric_product,
    "op": F.outer_product,
    "lc": F.left_contraction,
    "rc": F.right_contraction,
    "hestenes": F.hestenes_inner_product,
    "fatdot": F.fat_inner_product,
    "vee": F.regressive_product,
    "scalar_product": _scalar_product,
    "commutator": F.commutator,
    "anticommutator": F.anticommutator,
}
MAPS: dict[str, Map] = {
    "reverse": F.reverse,
    "involute": F.grade_involute,
    "conjugate": F.clifford_conjugate,
    "right_complement": F.right_complement,
    "left_complement": F.left_complement,
    "hodge": F.right_complement,
    "unhodge": F.left_complement,
    "polarity": F.polarity,
    "unpolarity": F.unpolarity,
}
# What a file must say about an output whose name alone does not settle its meaning.
MEANINGS = {
    "vee": (
        "left_complement( right_complement(a) ^ right_complement(b) )",
        "unhodge( hodge(a) ^ hodge(b) )",
    ),
    "scalar_product": ("<a b>_0, no reversion",),
    "commutator": ("(ab-ba)/2",),
    "anticommutator": ("(ab+ba)/2",),
    "hestenes": ("0 whenever r=0 or s=0",),
    "fatdot": ("including r=0 and s=0",),
    "hodge": ("e_A ^ hodge(e_A) = I",),
    "unhodge": ("unhodge(e_A) ^ e_A = I",),
    "right_complement": ("e_A ^ rc(e_A) = I",),
    "left_complement": ("lc(e_A) ^ e_A = I",),
    "polarity": ("a I^{-1}",),
    "unpolarity": ("a I",),
    "normsq": ("a ~a",),
    "sandwich": ("R x ~R with R = exp_mp",),
    "rotor_sqrt": ("exp(B/2)",),
    "rotor_log": ("principal logarithm of R = exp_mp",),
}


def run(golden: GoldenFile) -> Case:
    algebra = _algebra(golden.meta)
    _check_meanings(golden.meta)
    geometry = next((run for marks, run in GEOMETRIES if marks <= golden.groups["out"].keys()), None)
    if geometry is not None:
        return geometry(golden, algebra)
    case = Case()
    for name, theirs in golden.groups["out"].items():
        _find(name)(case, name, theirs, golden, algebra)
    return case


def _algebra(meta: dict[str, Any]) -> Algebra:
    """Build the algebra of the file from its metric and names, and hold it against the masks and signs it states."""
    missing = [key for key in ("metric", "blade_names", "blade_bitmask") if not isinstance(meta.get(key), list)]
    if missing:
        raise MalformedFileError(f"meta lacks the lists {', '.join(missing)}")
    labels = [name.removeprefix("e") for name in meta["generator_names"]] if meta.get("generator_names") else None
    algebra = Algebra(metric=meta["metric"], names=labels, basis=meta["blade_names"])
    signs = meta.get("blade_sign") or [1] * algebra.num_blades
    if list(algebra.blade_masks) != meta["blade_bitmask"] or list(algebra.blade_signs) != signs:
        raise MalformedFileError(f"the names {meta['blade_names']} do not go with the stated masks and signs")
    return algebra


def _check_meanings(meta: dict[str, Any]) -> None:
    for name, stated in meta.get("definitions", {}).items():
        known = MEANINGS.get(name)
        if known is not None and not any(phrase in stated for phrase in known):
            raise UnsupportedError(f"{name!r} defined as {stated!r}")


Step = Callable[[Case, str, np.ndarray, GoldenFile, Algebra], None]


def _find(name: str) -> Step:
    known = STEPS.get(name)
    if known is None and name.endswith("_int"):
        known = POLYNOMIAL_STEPS.get(name.removesuffix("_int"))
    if known is None:
        raise UnsupportedError(f"output {name!r}")
    return known


def _input(golden: GoldenFile, name: str) -> Tensor:
    if name not in golden.inputs:
        raise MalformedFileError(f"there is no in/{name}")
    return golden.inputs[name]


def _put(case: Case, name: str, ours: Tensor, theirs: np.ndarray, operands: tuple[Tensor, ...]) -> None:
    case.outputs[name] = ours
    whole = name.endswith("_int")
    case.measures[name] = measures.exact(ours, theirs) if whole else measures.product(ours, theirs, operands)


def _product_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    suffix = "_int" if name.endswith("_int") else ""
    a, b = _input(golden, f"a{suffix}"), _input(golden, f"b{suffix}")
    _put(case, name, PRODUCTS[name.removesuffix("_int")](a, b, algebra), theirs, (a, b))


def _map_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    a = _input(golden, "a_int" if name.endswith("_int") else "a")
    base = name.removesuffix("_int")
    ours = _dual(a, algebra, golden.meta.get("dual_definition", "")) if base == "dual" else MAPS[base](a, algebra)
    _put(case, name, ours, theirs, (a,))


def _normsq_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    a = _input(golden, "a_int" if name.endswith("_int") else "a")
    _put(case, name, F.geometric_product(a, F.reverse(a, algebra), algebra), theirs, (a, a))


def _inverse_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    a = _input(golden, "a")
    ours = case.outputs[name] = F.inverse(a, algebra)
    residual = float(golden.meta.get("inverse_residual", 0.0))
    case.measures[name] = measures.inverse(a, ours, theirs, residual, algebra)


def _left_matrix_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    a = _input(golden, "a")[0]
    ours = case.outputs[name] = F.left_matrix(a, algebra)
    case.measures[name] = measures.scaled(ours, theirs, a.detach().abs().sum(), measures.PRODUCTS[a.dtype])


def _cayley_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    basis = torch.eye(algebra.num_blades, dtype=golden.dtype, device=golden.device)
    table = F.geometric_product(basis[:, None], basis, algebra)
    # Where a null generator makes the product zero, the place is still that of the blade without it.
    masks = torch.tensor(algebra.blade_masks)
    places = torch.empty(algebra.num_blades, dtype=torch.long).scatter(0, masks, torch.arange(algebra.num_blades))
    places = places[masks[:, None] ^ masks].to(golden.device)
    signs = table.gather(-1, places.unsqueeze(-1)).squeeze(-1)
    if not torch.equal(table.abs().sum(-1), signs.abs()):
        raise AssertionError("a product of two blades is not a multiple of a blade")
    ours = case.outputs[name] = places if name == "cayley_index" else signs
    case.measures[name] = measures.exact(ours, theirs)


def _function_step(case: Case, name: str, theirs: np.ndarray, golden: GoldenFile, algebra: Algebra) -> None:
    slack = 0.0
    if name in ("exp_mp", "exp_lib"):
        ours = F.exp(_input(golden, "B"), algebra)
        slack = float(golden.meta.get("exp_lib_max_abs_err", 0.0)) if name == "exp_lib" else 0.0
    else:
        rotor = _rotor(golden, algebra)
        if name == "rotor_log":
            ours = F.log(rotor, algebra)
        elif name == "rotor_sqrt":
            ours = F.sqrt(rotor, algebra)
        else:
            ours = F.sandwich(rotor, _input(golden, "v" if name == "sandwich_vector" else "x"), algebra)
    case.outputs[name] = ours
    case.measures[name] = measures.relative(ours, theirs, slack)


def _rotor(golden: GoldenFile, algebra: Algebra) -> Tensor:
    recorded = golden.groups["out"].get("exp_mp")
    return F.exp(_input(golden, "B"), algebra) if recorded is None else golden.tensor(recorded)


# These also exist with the suffix _int, on whole numbers, where they must be exact.
POLYNOMIAL_STEPS: dict[str, Step] = {
    **dict.fromkeys(PRODUCTS, _product_step),
    **dict.fromkeys((*MAPS, "dual"), _map_step),
    "normsq": _normsq_step,
}
STEPS: dict[str, Step] = {
    **POLYNOMIAL_STEPS,
    "inverse": _inverse_step,
    "left_matrix_a0": _left_matrix_step,
    **dict.fromkeys(("cayley_index", "cayley_sign"), _cayley_step),
    **dict.fromkeys(("exp_mp", "exp_lib", "rotor_log", "rotor_sqrt", "sandwich", "sandwich_vector"), _function_step),
}
