"""Algebras as immutable facts: metric, blades, plans, equivariant maps."""

from cliffnet.algebra._algebra import MAX_DENSE_DIM as MAX_DENSE_DIM
from cliffnet.algebra._algebra import Algebra as Algebra
from cliffnet.algebra._maps import LinearMaps as LinearMaps
from cliffnet.algebra._partition import Partition as Partition
from cliffnet.algebra._plan import plan_gradients as plan_gradients
from cliffnet.algebra._plan import plan_sizes as plan_sizes
from cliffnet.algebra._plan import plan_terms as plan_terms
