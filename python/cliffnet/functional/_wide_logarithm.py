"""The logarithm of rotors of any number of generators, through matrices."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.functional._antisymmetric import antisymmetric, from_antisymmetric
from cliffnet.functional._constants import constant
from cliffnet.functional._inverse_sinhc import SQUARED_NODES, WEIGHTS
from cliffnet.functional._matrix import from_matrix, to_matrix
from cliffnet.functional._study import Frame

# quarters of half-angles: tan(pi / 16) and tanh of moderate rapidities are small enough for the quadrature
_HALVINGS = 4


def principal_sqrt(matrix: Tensor, iterations: int) -> Tensor:
    """Return the square root of a matrix whose eigenvalues have positive real parts.

    The iteration of Denman and Beavers in product form; matrices without a principal root come out as anything, not
    necessarily as NaN.

    References
    ----------
    Higham, Functions of Matrices, 2008, eq. (6.29).
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    root, rest = matrix, matrix
    for _ in range(iterations):
        inverse = torch.linalg.inv_ex(rest).inverse
        root = root @ (identity + inverse) / 2
        rest = (identity + (rest + inverse) / 2) / 2
    return root


def log_of_wide_rotor(rotor: Tensor, layouts: Frame, algebra: Algebra) -> Tensor:
    """Return the logarithm on ``layouts.bivectors``, unchecked.

    The square root ``Q`` of the rotor turns every plane by less than a right angle, so ``<Q>_2 / <Q>_0`` is the sum of
    its planes with the tangents of their angles: an antisymmetric matrix of the size of a vector, on which the rest
    works. It is halved by ``tanh(x / 2) = tanh x / (1 + sqrt(1 - tanh(x)^2))``, then the area tangent is a quadrature.
    """
    root = from_matrix(
        principal_sqrt(to_matrix(rotor, algebra, layout=layouts.even), 24),
        algebra,
        out_layout=layouts.scalars | layouts.bivectors,
    )
    metric = constant(algebra.metric, rotor.dtype, rotor.device)
    identity = torch.eye(algebra.dim, dtype=rotor.dtype, device=rotor.device)
    tangent = antisymmetric(root[..., 1:] / root[..., :1], layouts.bivectors)
    for halving in range(_HALVINGS):
        acting = tangent * metric
        secant = principal_sqrt(identity - acting @ acting, 20 if halving == 0 else 10)
        tangent = torch.linalg.solve_ex(identity + secant, tangent).result
    acting = tangent * metric
    nodes, weights = (constant(values, rotor.dtype, rotor.device) for values in (SQUARED_NODES, WEIGHTS))
    systems = identity - nodes[:, None, None] * (acting @ acting).unsqueeze(-3)
    solutions = torch.linalg.solve_ex(systems, tangent.unsqueeze(-3)).result
    area = (weights[:, None, None] * solutions).sum(-3)
    bivector: Tensor = 2 ** (_HALVINGS + 1) * from_antisymmetric(area, layouts.bivectors)
    return bivector
