"""The conformal algebra of a tensor, its null vectors, and points: what all conformal objects are made of."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from cliffnet import functional as F
from cliffnet.algebra import MAX_DENSE_DIM, Algebra
from cliffnet.errors import ShapeError
from cliffnet.geometry._coefficients import broadcast_vectors, check_tensor

# torch.compile can read an algebra that is there, but not build one
_CONFORMAL = {n: Algebra.cga(n) for n in range(1, 7)}


def conformal(n: int) -> Algebra:
    """Return Cl(n+1,1)."""
    return _CONFORMAL[n] if n in _CONFORMAL else Algebra.cga(n)


def algebra_of(multivector: Tensor) -> Algebra:
    """Return the conformal algebra that multivectors (..., 2^(n+2)) belong to, Cl(n+1,1).

    Raises
    ------
    ShapeError, DTypeError
        If no conformal algebra has that many blades, or they are no floating numbers.

    Examples
    --------
    >>> algebra_of(torch.zeros(7, 32))
    Algebra(4, 1, 0)
    """
    check_tensor(multivector, "multivector")
    blades = multivector.shape[-1] if multivector.dim() else 0
    dim = blades.bit_length() - 1
    if dim < 3 or blades != 1 << dim:
        raise ShapeError(
            f"multivector has shape {tuple(multivector.shape)}; its last axis must have 2^(n+2) blades for a space of "
            "n dimensions, such as 16 for the plane or 32 for space"
        )
    return conformal(dim - 2)


def space_of(coordinates: Tensor, name: str) -> Algebra:
    """Return the conformal algebra of coordinates (..., n).

    Raises
    ------
    ShapeError, DTypeError
        If there are none, or more than a dense algebra holds, or they are no floating numbers.
    """
    check_tensor(coordinates, name)
    size = coordinates.shape[-1] if coordinates.dim() else 0
    if not 1 <= size <= MAX_DENSE_DIM - 2:
        raise ShapeError(
            f"{name} has shape {tuple(coordinates.shape)}; its last axis must have the n coordinates of a point, "
            f"1 to {MAX_DENSE_DIM - 2}"
        )
    return conformal(size)


def vector(euclidean: Tensor, plus: Tensor, minus: Tensor) -> Tensor:
    """Make vectors from Euclidean coordinates (..., n) and the two extra ones (..., 1), shape (..., 2^(n+2))."""
    coefficients = torch.cat((euclidean, plus, minus), dim=-1)
    size = coefficients.shape[-1]
    return pad(coefficients, (1, (1 << size) - 1 - size))


def outer(first: Tensor, second: Tensor) -> Tensor:
    """Return the outer product of multivectors of one conformal algebra."""
    return F.outer_product(first, second, algebra_of(first))


def euclidean_vector(coordinates: Tensor) -> Tensor:
    """Return the vectors ``x_1 e1 + ... + x_n en``, shape (..., 2^(n+2))."""
    zero = torch.zeros_like(coordinates[..., :1])
    return vector(coordinates, zero, zero)


def infinity(algebra: Algebra, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """Return the point at infinity ``einf = e+ + e-`` of a conformal algebra, shape (2^(n+2),)."""
    one = torch.ones(1, dtype=dtype, device=device)
    return vector(one.new_zeros(algebra.dim - 2), one, one)


def origin(algebra: Algebra, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """Return the origin ``eo = (e- - e+) / 2`` of a conformal algebra, shape (2^(n+2),); ``eo . einf = -1``."""
    half = torch.full((1,), 0.5, dtype=dtype, device=device)
    return vector(half.new_zeros(algebra.dim - 2), -half, half)


def infinity_like(x: Tensor, algebra: Algebra) -> Tensor:
    """Return :func:`infinity` with the dtype and device of a tensor."""
    return infinity(algebra, dtype=x.dtype, device=x.device)


def up(coordinates: Tensor) -> Tensor:
    """Embed points as null vectors ``x + x^2/2 einf + eo``.

    Parameters
    ----------
    coordinates : Tensor
        Shape ``(..., n)`` with n from 1 to 10.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``, normalised to ``P . einf = -1``. Motions and dilations commute with it up to weight.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.

    Examples
    --------
    >>> down(3 * up(torch.tensor([1.0, 2.0, 4.0]))).tolist()
    [1.0, 2.0, 4.0]
    """
    space_of(coordinates, "coordinates")
    square = coordinates.square().sum(-1, keepdim=True)
    return vector(coordinates, 0.5 * square - 0.5, 0.5 * square + 0.5)


def down(point: Tensor) -> Tensor:
    """Return the coordinates of points: the Euclidean part divided by the weight ``-P . einf``.

    Parameters
    ----------
    point : Tensor
        Vectors of any weight, shape ``(..., 2^(n+2))``; other grades are ignored.

    Returns
    -------
    Tensor
        Shape ``(..., n)``. Infinite or NaN for the point at infinity; the centre for dual spheres.
    """
    algebra = algebra_of(point)
    return point[..., 1 : algebra.dim - 1] / weight(point).unsqueeze(-1)


def weight(point: Tensor) -> Tensor:
    """Return ``-P . einf`` of vectors (..., 2^(n+2)), shape (...): 1 for a normalised point, 0 for a dual plane."""
    last = algebra_of(point).dim
    return point[..., last] - point[..., last - 1]


def normalize_point(point: Tensor) -> Tensor:
    """Divide points or dual spheres (..., 2^(n+2)) by their weight ``-P . einf``."""
    return point / weight(point).unsqueeze(-1)


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return ``-2 P . Q`` of two points, whatever their weights.

    Parameters
    ----------
    first, second : Tensor
        Shape ``(..., 2^(n+2))``. For dual spheres of centres c and radii r it is
        ``|c1 - c2|^2 - r1^2 - r2^2``: the power of a point when one radius is 0.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under motions, multiplied by s^2 under dilations by s.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.
    """
    first, second = broadcast_vectors(first=first, second=second)
    return -2.0 * F.inner_product(normalize_point(first), normalize_point(second), algebra_of(first))


def point_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance of two points (..., 2^(n+2)), shape (...), the root of :func:`squared_distance`.

    It is taken from the coordinates, which keeps the digits of points that are close. Its gradient at 0 is 0.
    """
    first, second = broadcast_vectors(first=first, second=second)
    distance: Tensor = torch.linalg.vector_norm(down(first) - down(second), dim=-1)
    return distance
