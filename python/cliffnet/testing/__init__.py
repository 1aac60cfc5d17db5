"""Property tests for code built on cliffnet.

``assert_equivariant`` and ``assert_identity`` need nothing but cliffnet. The strategies (``algebras``,
``multivectors``, ``vectors``, ``blades``, ``bivectors``, ``versors``, ``rotors``, ``layouts``) and profiles need
hypothesis, the extra ``cliffnet[testing]``, which is imported when the first of them is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cliffnet.testing._enumeration import list_algebras
from cliffnet.testing._equivariance import assert_equivariant
from cliffnet.testing._groups import GroupElement, group_elements, random_versor
from cliffnet.testing._identity import assert_identity
from cliffnet.testing._requirements import require_hypothesis
from cliffnet.testing._tolerance import equivariance_tolerance, magnitude, tolerance

if TYPE_CHECKING:
    from cliffnet.testing._algebra_strategies import algebras, layouts
    from cliffnet.testing._bivector_strategies import bivectors
    from cliffnet.testing._element_strategies import blades, multivectors, vectors
    from cliffnet.testing._profiles import load_profile
    from cliffnet.testing._registration import register_types
    from cliffnet.testing._versor_strategies import rotors, versors

__all__ = [
    "GroupElement",
    "algebras",
    "assert_equivariant",
    "assert_identity",
    "bivectors",
    "blades",
    "equivariance_tolerance",
    "group_elements",
    "layouts",
    "list_algebras",
    "load_profile",
    "magnitude",
    "multivectors",
    "random_versor",
    "register_types",
    "rotors",
    "tolerance",
    "vectors",
    "versors",
]

_NEED_HYPOTHESIS = {
    "algebras": "_algebra_strategies",
    "layouts": "_algebra_strategies",
    "bivectors": "_bivector_strategies",
    "blades": "_element_strategies",
    "multivectors": "_element_strategies",
    "vectors": "_element_strategies",
    "load_profile": "_profiles",
    "register_types": "_registration",
    "rotors": "_versor_strategies",
    "versors": "_versor_strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_HYPOTHESIS:
        raise AttributeError(f"module 'cliffnet.testing' has no attribute '{name}'")
    require_hypothesis()
    value = getattr(importlib.import_module(f"cliffnet.testing.{_NEED_HYPOTHESIS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
