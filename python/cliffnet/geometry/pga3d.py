"""Euclidean space in the plane-based algebra Cl(3,0,1): embedding geometric objects in multivectors, and back.

Conventions: vectors are planes, trivectors are points, a versor V moves x to V x reverse(V). Lengths are in the unit
of the caller. Quaternions are (i, j, k, w), Hamilton's convention ijk = -1. Dorst and De Keninck, "A Guided Tour to
the Plane-Based Geometric Algebra PGA", 2022.
"""

from cliffnet.geometry._pga3d_objects import (
    embed_object,
    embed_two_vector_object,
    extract_object,
    extract_two_vector_object,
)
from cliffnet.geometry._pga3d_primitives import (
    ALGEBRA,
    embed_plane,
    embed_point,
    embed_pseudoscalar,
    embed_ray,
    embed_reflection,
    embed_rotation,
    embed_scalar,
    embed_translation,
    extract_plane,
    extract_plane_normal,
    extract_point,
    extract_pseudoscalar,
    extract_ray,
    extract_reflection_normal,
    extract_rotation,
    extract_scalar,
    extract_translation,
    point_regularizer,
)

__all__ = [
    "ALGEBRA",
    "embed_object",
    "embed_plane",
    "embed_point",
    "embed_pseudoscalar",
    "embed_ray",
    "embed_reflection",
    "embed_rotation",
    "embed_scalar",
    "embed_translation",
    "embed_two_vector_object",
    "extract_object",
    "extract_plane",
    "extract_plane_normal",
    "extract_point",
    "extract_pseudoscalar",
    "extract_ray",
    "extract_reflection_normal",
    "extract_rotation",
    "extract_scalar",
    "extract_translation",
    "extract_two_vector_object",
    "point_regularizer",
]
