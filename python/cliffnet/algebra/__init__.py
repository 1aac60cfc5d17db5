"""Algebras as immutable facts: metric, blades, layouts, plans, equivariant maps."""

from cliffnet.algebra._algebra import MAX_DENSE_DIM as MAX_DENSE_DIM
from cliffnet.algebra._algebra import Algebra as Algebra
from cliffnet.algebra._layout import Layout as Layout
from cliffnet.algebra._layout import check_polarity as check_polarity
from cliffnet.algebra._layout import layout_of_key as layout_of_key
from cliffnet.algebra._maps import LinearMaps as LinearMaps
from cliffnet.algebra._matrix import matrix_entries as matrix_entries
from cliffnet.algebra._matrix import matrix_pieces as matrix_pieces
from cliffnet.algebra._matrix import matrix_places as matrix_places
from cliffnet.algebra._matrix import matrix_shape as matrix_shape
from cliffnet.algebra._names import parse_blade as parse_blade
from cliffnet.algebra._partition import Partition as Partition
from cliffnet.algebra._plan import has_matrices as has_matrices
from cliffnet.algebra._plan import plan_gradients as plan_gradients
from cliffnet.algebra._plan import plan_matrices as plan_matrices
from cliffnet.algebra._plan import plan_sizes as plan_sizes
from cliffnet.algebra._plan import plan_terms as plan_terms
from cliffnet.algebra._presets import preset_names as preset_names
from cliffnet.algebra._tables import blade_map as blade_map
from cliffnet.algebra._tables import dense_product_plan as dense_product_plan
from cliffnet.algebra._tables import inner_product_plan as inner_product_plan
from cliffnet.algebra._tables import involution_signs as involution_signs
from cliffnet.algebra._tables import metric_and_blades as metric_and_blades
from cliffnet.algebra._tables import product_plan as product_plan
from cliffnet.algebra._tables import relabelling as relabelling
from cliffnet.algebra._tables import relocation as relocation
