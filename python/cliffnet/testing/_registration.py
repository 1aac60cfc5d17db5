"""Types of cliffnet that hypothesis can infer strategies for."""

from hypothesis import strategies as st

from cliffnet.algebra import Algebra, Layout
from cliffnet.multivector import Multivector
from cliffnet.testing._algebra_strategies import algebras, layouts
from cliffnet.testing._element_strategies import multivectors

# larger ones are found by asking for them; small cases are read more easily
_MAX_DIM = 4


def register_types() -> None:
    """Make ``Algebra``, ``Layout`` and ``Multivector`` known to ``hypothesis.strategies.from_type`` and ``infer``.

    Called when cliffnet and hypothesis meet; calling it again changes nothing.
    """
    some = algebras(max_dim=_MAX_DIM)
    some_layouts = some.flatmap(layouts)
    st.register_type_strategy(Algebra, some)
    st.register_type_strategy(Layout, some_layouts)
    st.register_type_strategy(
        Multivector,
        some_layouts.flatmap(
            lambda layout: multivectors(layout.algebra, layout).map(lambda tensor: Multivector(tensor, layout))
        ),
    )
