"""Euclidean space of any dimension n in the conformal algebra Cl(n+1,1): points, rounds, flats and their motions.

The first n generators are Euclidean, then ``e+^2 = 1`` and ``e-^2 = -1``; the origin is ``eo = (e- - e+) / 2`` and
infinity ``einf = e+ + e-``, with ``eo . einf = -1``. Points are ``x + x^2/2 einf + eo``. The dimension follows from
the tensors: coordinates have n entries, multivectors ``2^(n+2)`` blades, 16 for the plane and 32 for space.

Direct objects are outer products of points: X contains P where ``P ^ X = 0``. Dual ones are ``X / I``; they contain P
where ``P . X = 0``. Functions take direct objects unless their name says dual. Dorst, Fontijne and Mann, "Geometric
Algebra for Computer Science", 2007, ch. 13 to 16; Hestenes, Li and Rockwood, "New Algebraic Tools for Classical
Geometry", 2001.
"""

from cliffnet.geometry._cga_basis import (
    algebra_of,
    down,
    infinity,
    normalize_point,
    origin,
    point_distance,
    squared_distance,
    up,
    weight,
)
from cliffnet.geometry._cga_flats import (
    embed_direction,
    embed_dual_plane,
    embed_flat,
    embed_line,
    embed_plane,
    extract_direction,
    extract_dual_plane,
    extract_flat_point,
    extract_line,
    extract_plane,
    plane_distance,
    project_on_flat,
)
from cliffnet.geometry._cga_rounds import (
    embed_circle,
    embed_dual_sphere,
    embed_round,
    embed_sphere,
    embed_tangent,
    extract_center,
    extract_circle,
    extract_dual_sphere,
    extract_sphere,
    extract_squared_radius,
    intersection_cosine,
    sphere_power,
    split_point_pair,
)
from cliffnet.geometry._cga_versors import (
    apply_versor,
    dual,
    embed_dilation,
    embed_rotation,
    embed_rotation_in_plane,
    embed_translation,
    meet,
    undual,
)

__all__ = [
    "algebra_of",
    "apply_versor",
    "down",
    "dual",
    "embed_circle",
    "embed_dilation",
    "embed_direction",
    "embed_dual_plane",
    "embed_dual_sphere",
    "embed_flat",
    "embed_line",
    "embed_plane",
    "embed_rotation",
    "embed_rotation_in_plane",
    "embed_round",
    "embed_sphere",
    "embed_tangent",
    "embed_translation",
    "extract_center",
    "extract_circle",
    "extract_direction",
    "extract_dual_plane",
    "extract_dual_sphere",
    "extract_flat_point",
    "extract_line",
    "extract_plane",
    "extract_sphere",
    "extract_squared_radius",
    "infinity",
    "intersection_cosine",
    "meet",
    "normalize_point",
    "origin",
    "plane_distance",
    "point_distance",
    "project_on_flat",
    "sphere_power",
    "split_point_pair",
    "squared_distance",
    "undual",
    "up",
    "weight",
]
