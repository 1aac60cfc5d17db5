"""GATr's functions: primitives, attention functions, layers without parameters, geometric interface.

A file names operations: inputs ``<operation>.<argument>``, outputs ``<operation>`` or ``<operation>.<part>``. Variants
carry a suffix, ``geo_bool`` for ``geo``.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.geometry import pga3d
from cliffnet.nn import (
    EquivariantLayerNorm,
    ScalarGatedNonlinearity,
    equivariant_join,
    gate,
    geometric_attention,
    join_attention,
    scalar_product_attention,
)
from families.golden import Case, GoldenFile, UnsupportedError

ALGEBRA = Algebra(3, 0, 1)
Arguments = dict[str, Tensor]
Result = Tensor | dict[str, Tensor]
Operation = Callable[[Arguments, dict[str, Any], str], Result]


def run_functions(golden: GoldenFile) -> Case:
    operations: dict[str, Arguments] = {}
    for name, tensor in golden.inputs.items():
        operation, _, argument = name.partition(".")
        operations.setdefault(operation, {})[argument] = tensor
    case = Case(_tables(golden))
    for name, arguments in operations.items():
        result = _find(name)(arguments, golden.config, name)
        parts = result if isinstance(result, dict) else {"": result}
        case.outputs |= {f"{name}.{part}" if part else name: value for part, value in parts.items()}
    unknown = [name for name in golden.groups["out"] if name not in case.outputs and "." not in name]
    if unknown and not any(name.startswith(operation) for name in unknown for operation in operations):
        raise UnsupportedError(f"outputs {', '.join(unknown)}")
    return case


def _find(name: str) -> Operation:
    fitting = [known for known in OPERATIONS if name == known or name.startswith(f"{known}_")]
    if not fitting:
        raise UnsupportedError(f"operation {name!r}")
    return OPERATIONS[max(fitting, key=len)]


# Primitives


def _inner(x: Tensor, y: Tensor) -> Tensor:
    return F.inner_product(x, y, ALGEBRA).unsqueeze(-1)


def _norm(x: Tensor) -> Tensor:
    return _inner(x, x).clamp_min(0.0).sqrt()


def _join_norm(arguments: Arguments, config: dict[str, Any], name: str) -> Tensor:
    joined = F.projective_join(arguments["x"], arguments["y"], ALGEBRA)
    squares = F.inner_product(joined, joined, ALGEBRA)
    if "channel_weights" in arguments:
        squares = squares * arguments["channel_weights"]
    if "chsum" in name:
        squares = squares.sum(-1)
    return (squares if "_sq" in name else squares.sqrt()).unsqueeze(-1)


def _grades(x: Tensor) -> list[Tensor]:
    return [F.grade_project(x, [grade], ALGEBRA) for grade in range(ALGEBRA.dim + 1)]


def _layer_norm(arguments: Arguments, config: dict[str, Any], name: str) -> Tensor:
    options = {"gain": config.get("gain", 1.0), "epsilon": config.get("epsilon", 0.01)} if "gain" in name else {}
    return EquivariantLayerNorm(ALGEBRA, **options)(arguments["x"])[0]


def _normalized_basis(dtype: torch.dtype, rounded: bool) -> Tensor:
    maps = ALGEBRA.equivariant_maps("pin").matrices(torch.float64, None)
    sizes = maps.abs().sum((1, 2))
    # GATr divides by the norms in float32.
    factors = (1.0 / sizes.float().sqrt()).double() if rounded else 1.0 / sizes.sqrt()
    return (maps * factors[:, None, None]).to(dtype)


def _equi_linear(arguments: Arguments, config: dict[str, Any], name: str) -> Tensor:
    coefficients = arguments["coeffs"]
    maps = ALGEBRA.equivariant_maps("pin")
    sizes = maps.matrices(coefficients.dtype, coefficients.device).abs().sum((1, 2))
    return F.equivariant_linear(arguments["x"], coefficients / sizes.sqrt(), maps)


def _gated(activation: str) -> Operation:
    return lambda a, config, name: gate(a["x"], a["gates"].squeeze(-1), activation)


def _tables(golden: GoldenFile) -> dict[str, Tensor]:
    basis = torch.eye(ALGEBRA.num_blades, dtype=golden.dtype, device=golden.device)
    left, right = basis[:, None], basis[None, :]
    products = {
        "table_geometric_product": F.geometric_product,
        "table_outer_product": F.outer_product,
        "table_join": F.projective_join,
    }
    tables = {name: product(left, right, ALGEBRA).permute(2, 0, 1) for name, product in products.items()}
    duals = F.right_complement(basis, ALGEBRA)
    tables["table_dual_permutation"] = duals.abs().argmax(0)
    tables["table_dual_sign"] = duals.sum(0)
    tables["table_inner_product_mask"] = F.inner_product(basis, basis, ALGEBRA) != 0
    tables["table_linear_basis"] = _normalized_basis(golden.dtype, rounded=False)
    tables["table_linear_basis_shipped"] = _normalized_basis(golden.dtype, rounded=True)
    return {name: table for name, table in tables.items() if name in golden.groups["out"]}


# Attention


def _streams(a: Arguments) -> list[Tensor]:
    return [a[name] for name in ("q_mv", "k_mv", "v_mv", "q_s", "k_s", "v_s")]


def _named(result: tuple[Tensor, Tensor | None]) -> dict[str, Tensor]:
    return {name: value for name, value in zip(("mv", "s"), result, strict=True) if value is not None}


def _scalar_product(a: Arguments, config: dict[str, Any], name: str) -> Result:
    # GATr's function has no head axis.
    headed = [x.unsqueeze(-4 if index < 3 else -3) for index, x in enumerate(_streams(a))]
    mv, scalars = scalar_product_attention(*headed, ALGEBRA, attention_mask=a.get("mask"))
    return _named((mv.squeeze(-4), scalars.squeeze(-3)))


def _join_based(a: Arguments, config: dict[str, Any], name: str) -> Result:
    weights = (a["w_mv"], a["w_join"], a["w_s"]) if "w_mv" in a else None
    return _named(join_attention(*_streams(a), ALGEBRA, weights=weights, attention_mask=a.get("mask")))


def _geometric(a: Arguments, config: dict[str, Any], name: str) -> Result:
    stated = re.search(r"eps\D*([0-9.e-]+)", str(config.get("normalizer", "")))
    epsilon = float(stated.group(1)) if stated else 1e-3
    mask = a.get("mask")
    return _named(
        geometric_attention(
            *_streams(a), ALGEBRA, weights=a.get("weights"), normalizer_epsilon=epsilon, attention_mask=mask
        )
    )


def _normalizer(a: Arguments, config: dict[str, Any], name: str) -> Tensor:
    # The normaliser is internal to attention; this is its formula.
    return a["v"] / (a["v"] ** 2 + 1e-3)


# Layers without parameters


def _norm_layer_or_function(a: Arguments, config: dict[str, Any], name: str) -> Result:
    if "multivectors" not in a:
        return _norm(a["x"])
    layer = EquivariantLayerNorm(ALGEBRA, epsilon=config.get("epsilon", 0.01))
    return _layer_result(layer(a["multivectors"], a.get("scalars")))


def _activation(kind: str) -> Operation:
    def run(a: Arguments, config: dict[str, Any], name: str) -> Result:
        layer = ScalarGatedNonlinearity(kind, mixed_gelu=True)
        return _layer_result(layer(a["multivectors"], a.get("scalars")))

    return run


def _layer_result(result: tuple[Tensor, Tensor | None]) -> dict[str, Tensor]:
    return {name: x for name, x in zip(("multivectors", "scalars"), result, strict=True) if x is not None}


# Geometric interface


def _threshold(config: dict[str, Any]) -> dict[str, Any]:
    return {"threshold": config.get("extract_point_threshold", 1e-3), "keep_sign": False}


def _extract_object(a: Arguments, config: dict[str, Any], name: str) -> Result:
    # Recorded with explicit points, quaternions are as they come.
    position, orientation = pga3d.extract_object(
        a["mv"], normalize_quaternion="4ch" not in name, sign_reference=a.get("sign_reference"), keep_sign=False
    )
    return {"position": position, "orientation": orientation}


def _extract_two_vector(a: Arguments, config: dict[str, Any], name: str) -> Result:
    position, orientation = pga3d.extract_two_vector_object(a["mv"], keep_sign=False)
    return {"position": position, "orientation": orientation}


OPERATIONS: dict[str, Operation] = {
    "geometric_product": lambda a, c, n: F.geometric_product(a["x"], a["y"], ALGEBRA),
    "outer_product": lambda a, c, n: F.outer_product(a["x"], a["y"], ALGEBRA),
    "inner_product": lambda a, c, n: _inner(a["x"], a["y"]),
    "dual": lambda a, c, n: F.right_complement(a["x"], ALGEBRA),
    "equivariant_join": lambda a, c, n: equivariant_join(a["x"], a["y"], a["reference"], ALGEBRA),
    "explicit_equivariant_join": lambda a, c, n: equivariant_join(a["x"], a["y"], a["reference"], ALGEBRA),
    "efficient_equivariant_join": lambda a, c, n: equivariant_join(a["x"], a["y"], a["reference"], ALGEBRA),
    "join_norm": _join_norm,
    "reverse": lambda a, c, n: F.reverse(a["x"], ALGEBRA),
    "grade_involute": lambda a, c, n: F.grade_involute(a["x"], ALGEBRA),
    "grade_project": lambda a, c, n: torch.stack(_grades(a["x"]), -2),
    "norm": _norm_layer_or_function,
    "pin_invariants": lambda a, c, n: torch.cat([a["x"][..., :1], *map(_norm, _grades(a["x"])[1:])], -1),
    "equi_layer_norm": _layer_norm,
    "gated_relu": _gated("relu"),
    "gated_sigmoid": _gated("sigmoid"),
    "gated_gelu": _gated("gelu_tanh"),
    "gated_gelu_divide": _gated("gelu_divide"),
    "equi_linear": _equi_linear,
    "lin_square_normalizer": _normalizer,
    "sdp": _scalar_product,
    "pga": _join_based,
    "geo": _geometric,
    "relu": _activation("relu"),
    "gelu": _activation("gelu"),
    "sigmoid": _activation("sigmoid"),
    "embed_point": lambda a, c, n: pga3d.embed_point(a["coordinates"]),
    "extract_point": lambda a, c, n: pga3d.extract_point(a["mv"], **_threshold(c)),
    "extract_point_embedding_reg": lambda a, c, n: pga3d.point_regularizer(a["mv"]),
    "embed_oriented_plane": lambda a, c, n: pga3d.embed_plane(a["normal"], a["position"]),
    "extract_oriented_plane": lambda a, c, n: pga3d.extract_plane_normal(a["mv"]),
    "embed_reflection": lambda a, c, n: pga3d.embed_reflection(a["normal"], a["position"]),
    "extract_reflection": lambda a, c, n: pga3d.extract_reflection_normal(a["mv"]),
    "embed_rotation": lambda a, c, n: pga3d.embed_rotation(a["quaternion"]),
    "extract_rotation": lambda a, c, n: pga3d.extract_rotation(a["mv"], normalize="normalized" in n),
    "embed_translation": lambda a, c, n: pga3d.embed_translation(a["vector"]),
    "extract_translation": lambda a, c, n: pga3d.extract_translation(
        a["mv"], divide_by_embedding_dim="div" in n, keep_sign=False
    ),
    "embed_scalar": lambda a, c, n: pga3d.embed_scalar(a["s"]),
    "extract_scalar": lambda a, c, n: pga3d.extract_scalar(a["mv"]),
    "embed_pseudoscalar": lambda a, c, n: pga3d.embed_pseudoscalar(a["s"]),
    "extract_pseudoscalar": lambda a, c, n: pga3d.extract_pseudoscalar(a["mv"]),
    "embed_pluecker_ray": lambda a, c, n: pga3d.embed_ray(a["ray"]),
    "extract_pluecker_ray": lambda a, c, n: pga3d.extract_ray(a["mv"]),
    "embed_3d_object": lambda a, c, n: pga3d.embed_object(
        a["position"], a["orientation"], explicit_point="explicit" in n
    ),
    "extract_3d_object": _extract_object,
    "embed_3d_object_two_vec": lambda a, c, n: pga3d.embed_two_vector_object(a["position"], a["orientation"]),
    "extract_3d_object_two_vec": _extract_two_vector,
}
