"""Functions of multivector tensors: the one public home of the algebra on plain tensors.

Every function checks its operands and raises a named error of :mod:`cliffnet.errors` before native code sees them.
"""

from cliffnet.functional._blades import clifford_conjugate as clifford_conjugate
from cliffnet.functional._blades import dual as dual
from cliffnet.functional._blades import grade_involute as grade_involute
from cliffnet.functional._blades import grade_project as grade_project
from cliffnet.functional._blades import hodge_dual as hodge_dual
from cliffnet.functional._blades import left_complement as left_complement
from cliffnet.functional._blades import polarity as polarity
from cliffnet.functional._blades import reverse as reverse
from cliffnet.functional._blades import right_complement as right_complement
from cliffnet.functional._blades import undual as undual
from cliffnet.functional._blades import unpolarity as unpolarity
from cliffnet.functional._format import is_blade_major as is_blade_major
from cliffnet.functional._format import to_blade_major as to_blade_major
from cliffnet.functional._invariants import inner_product as inner_product
from cliffnet.functional._invariants import norm_squared as norm_squared
from cliffnet.functional._invariants import sandwich as sandwich
from cliffnet.functional._linear import equivariant_linear as equivariant_linear
from cliffnet.functional._products import anticommutator as anticommutator
from cliffnet.functional._products import commutator as commutator
from cliffnet.functional._products import fat_inner_product as fat_inner_product
from cliffnet.functional._products import geometric_product as geometric_product
from cliffnet.functional._products import hestenes_inner_product as hestenes_inner_product
from cliffnet.functional._products import join as join
from cliffnet.functional._products import left_contraction as left_contraction
from cliffnet.functional._products import outer_product as outer_product
from cliffnet.functional._products import regressive_product as regressive_product
from cliffnet.functional._products import right_contraction as right_contraction
from cliffnet.functional._products import scalar_product as scalar_product
