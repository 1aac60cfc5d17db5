"""Isomorphisms between algebras, and of algebras with algebras of matrices, by the images of generators."""

import itertools

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.testing import assert_identity
from helpers.identities import Setting


class Matrices:
    """Square matrices over an algebra: elements of shape ``(size, size, num_blades)``."""

    def __init__(self, size, algebra):
        self.size, self.algebra = size, algebra

    def product(self, a, b):
        # products of entries only where both can be non-zero
        left, right = a.reshape(-1, *a.shape[-3:]), b.reshape(-1, *b.shape[-3:])
        rows = left.unsqueeze(-2).expand(*left.shape[:-1], self.size, left.shape[-1])
        columns = right.unsqueeze(-4).expand(right.shape[0], self.size, *right.shape[1:])
        result = F.geometric_product(rows, columns, self.algebra).sum(-3)
        return result.reshape(*torch.broadcast_shapes(a.shape[:-3], b.shape[:-3]), *a.shape[-3:])

    @property
    def one(self):
        return self.tensor(torch.eye(self.size).double(), Setting(self.algebra).one.x)

    def tensor(self, matrix, element):
        return matrix.double()[..., None] * element


class Elements:
    """Elements of an algebra, or of its even part."""

    def __init__(self, algebra, even=False):
        self.algebra, self.even = algebra, even

    def product(self, a, b):
        return F.geometric_product(a, b, self.algebra)

    @property
    def one(self):
        return Setting(self.algebra).one.x


def linear_map(source, target, images):
    """Images of all blades of the source, given those of its generators: shape ``(num_blades, *element)``."""
    found = []
    for mask, sign in zip(source.blade_masks, source.blade_signs, strict=True):
        image = target.one
        for i in range(source.dim):
            if mask >> i & 1:
                image = target.product(image, images[i])
        found.append(sign * image)
    return torch.stack(found)


def check(source, target, images, dimension=None):
    """Assert that the images generate a copy of the source, which fills ``dimension`` dimensions exactly."""
    one = target.one
    for i, j in itertools.combinations_with_replacement(range(source.dim), 2):
        both = target.product(images[i], images[j]) + target.product(images[j], images[i])
        assert_identity(both, 2.0 * (source.metric[i] if i == j else 0.0) * one, context=f"generators {i} and {j}")
    table = linear_map(source, target, images)
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(-4, 5, (2, source.num_blades), generator=generator).double()

    def phi(x):
        return torch.tensordot(x, table, 1)

    assert_identity(phi(F.geometric_product(a, b, source)), target.product(phi(a), phi(b)), context=f"{source!r}")
    assert torch.linalg.matrix_rank(table.flatten(1)) == source.num_blades, f"{source!r} is not mapped one to one"
    if dimension is not None:
        assert source.num_blades == dimension


def named(algebra, *texts):
    """Elements of an algebra written as products of generators, such as ``"-e23"``."""
    blades = []
    for text in texts:
        index, sign = algebra.index(text.removeprefix("-"))
        blade = torch.zeros(algebra.num_blades, dtype=torch.float64)
        blade[index] = -sign if text.startswith("-") else sign
        blades.append(blade)
    return blades


def numbers(algebra, *units):
    """Coefficients of some blades of the product of two elements on them."""
    positions = [algebra.index(unit)[0] for unit in units]
    signs = torch.tensor([algebra.index(unit)[1] for unit in units], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(-4, 5, (2, len(units)), generator=generator).double()
    x, y = (
        torch.zeros(algebra.num_blades, dtype=torch.float64).index_put((torch.tensor(positions),), signs * v)
        for v in (a, b)
    )
    product = F.geometric_product(x, y, algebra)
    inside = signs * product[positions]
    assert product.abs().sum() == inside.abs().sum(), "the product leaves the units"
    return a, b, inside


def test_complex_split_complex_and_dual_numbers():
    for algebra, square in ((Algebra(0, 1), -1), (Algebra(1), 1), (Algebra(0, 0, 1), 0)):
        unit = f"e{algebra.generator_labels[0]}"
        a, b, product = numbers(algebra, "1", unit)
        expected = torch.stack([a[0] * b[0] + square * a[1] * b[1], a[0] * b[1] + a[1] * b[0]])
        assert torch.equal(product, expected)


def quaternion_product(a, b):
    w, x = a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + torch.linalg.cross(a[1:], b[1:])
    return torch.cat([w.reshape(1), x])


def test_quaternions():
    for algebra, units in ((Algebra(0, 2), ("1", "e1", "e2", "e12")), (Algebra(3), ("1", "e32", "e13", "e21"))):
        a, b, product = numbers(algebra, *units)
        assert torch.equal(product, quaternion_product(a, b))
    # the other orientation is no algebra of quaternions: i j = -k
    a, b, product = numbers(Algebra(3), "1", "e23", "e13", "e21")
    assert not torch.equal(product, quaternion_product(a, b))


def test_dual_quaternions():
    algebra = Algebra(3, 0, 1)
    units = ("1", "e32", "e13", "e21")
    # the dual unit is the pseudoscalar, which commutes with even elements
    dual_units = []
    (whole,) = named(algebra, "e0123")
    for unit in named(algebra, *units):
        dual = F.geometric_product(unit, whole, algebra)
        dual_units.append(dual)
    a, b, product = numbers(algebra, *units)
    assert torch.equal(product, quaternion_product(a, b))
    basis = torch.stack([*named(algebra, *units), *dual_units])
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randint(-4, 5, (2, 8), generator=generator).double()
    real = quaternion_product(a[:4], b[:4])
    dual = quaternion_product(a[:4], b[4:]) + quaternion_product(a[4:], b[:4])
    assert torch.equal(F.geometric_product(a @ basis, b @ basis, algebra), torch.cat([real, dual]) @ basis)


PAULI = torch.tensor([[[0, 1], [1, 0]], [[0, -1], [1, 0]], [[1, 0], [0, -1]]]).double()
SIGMA_X, EPSILON, SIGMA_Z = PAULI


def real(*matrices):
    return [matrix.unsqueeze(-1) for matrix in matrices]


def test_real_matrices_of_size_two():
    target = Matrices(2, Algebra())
    check(Algebra(2), target, real(SIGMA_X, SIGMA_Z), dimension=4)
    check(Algebra(1, 1), target, real(SIGMA_X, EPSILON), dimension=4)


def test_complex_matrices_of_size_two():
    complex_numbers = Algebra(0, 1)
    target = Matrices(2, complex_numbers)
    one, i = named(complex_numbers, "1", "e1")
    # sigma_y = i epsilon with this epsilon
    images = [target.tensor(SIGMA_X, one), target.tensor(EPSILON, i), target.tensor(SIGMA_Z, one)]
    check(Algebra(3), target, images, dimension=8)


def test_even_parts_with_a_timelike_and_a_spacelike_split():
    check(Algebra(3), Elements(Algebra(1, 3)), named(Algebra(1, 3), "e21", "e31", "e41"))
    check(Algebra(3), Elements(Algebra(3, 1)), named(Algebra(3, 1), "e14", "e24", "e34"))


def signatures(up_to):
    return [(p, q, r) for p, q, r in itertools.product(range(up_to + 1), repeat=3) if 1 <= p + q + r <= up_to]


def generators(algebra):
    return [element.x for element in Setting(algebra).generators]


def times(algebra, vectors, last):
    return [F.geometric_product(vector, last, algebra) for vector in vectors]


def is_even(table, algebra):
    return not table[..., [grade % 2 == 1 for grade in algebra.grades]].any()


@pytest.mark.parametrize("square", [1.0, -1.0])
def test_even_part_is_the_algebra_with_one_generator_less(square):
    compared = 0
    for signature in signatures(6):
        algebra = Algebra(*signature)
        if square not in algebra.metric:
            continue
        compared += 1
        last = algebra.metric.index(square)
        vectors = generators(algebra)
        images = times(algebra, [v for i, v in enumerate(vectors) if i != last], vectors[last])
        # f_i = e_i e_p squares to -e_i^2 e_p^2: Cl(q,p-1,r) for e_p^2 = 1, Cl(p,q-1,r) for e_q^2 = -1
        metric = [-square * value for i, value in enumerate(algebra.metric) if i != last]
        p, q, r = signature
        source = Algebra(metric=metric)
        assert source.signature == ((q, p - 1, r) if square > 0 else (p, q - 1, r))
        check(source, Elements(algebra), images, dimension=algebra.num_blades // 2)
        assert is_even(linear_map(source, Elements(algebra), images), algebra)
    assert compared > 20


def test_exchange_of_signs_by_a_positive_generator():
    for p, q in itertools.product(range(5), repeat=2):
        if p + q > 5:
            continue
        algebra = Algebra(p + 1, q)
        first, *others = generators(algebra)
        images = [first, *times(algebra, others, first)]
        source = Algebra(metric=[1.0, *(-value for value in algebra.metric[1:])])
        assert source.signature == (q + 1, p, 0)
        check(source, Elements(algebra), images, dimension=algebra.num_blades)


def test_one_generator_of_each_sign_gives_matrices_of_size_two():
    for p, q, r in signatures(4):
        inner = Algebra(p, q, r)
        target = Matrices(2, inner)
        one = Setting(inner).one.x
        images = [target.tensor(SIGMA_X, one), target.tensor(EPSILON, one)]
        images += [target.tensor(SIGMA_Z, vector) for vector in generators(inner)]
        check(Algebra(metric=[1.0, -1.0, *inner.metric]), target, images, dimension=4 * inner.num_blades)


def test_four_positive_generators_can_be_made_negative():
    for p, q in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 3)):
        algebra = Algebra(p + 4, q)
        vectors = generators(algebra)
        four = vectors[0]
        for vector in vectors[1:4]:
            four = F.geometric_product(four, vector, algebra)
        images = times(algebra, vectors[:4], four) + vectors[4:]
        source = Algebra(metric=[-1.0] * 4 + list(algebra.metric[4:]))
        assert source.signature == (p, q + 4, 0)
        check(source, Elements(algebra), images, dimension=algebra.num_blades)


def test_eight_positive_generators_give_matrices_of_size_sixteen():
    # an even number of antisymmetric factors makes a Kronecker product symmetric, so that it squares to one
    one = torch.eye(2).double()

    def word(letters):
        result = torch.ones(1, 1).double()
        for letter in letters:
            result = torch.kron(result, {"1": one, "x": SIGMA_X, "e": EPSILON, "z": SIGMA_Z}[letter])
        return result

    words = ("x111", "z111", "exe1", "eze1", "e1xe", "e1ze", "ee1x", "ee1z")
    gammas = [word(letters) for letters in words]
    for p, q in ((0, 0), (0, 1), (1, 0)):
        inner = Algebra(p, q)
        target = Matrices(16, inner)
        unit = Setting(inner).one.x
        images = [target.tensor(gamma, unit) for gamma in gammas]
        chirality = torch.linalg.multi_dot(gammas)
        images += [target.tensor(chirality, vector) for vector in generators(inner)]
        source = Algebra(metric=[1.0] * 8 + list(inner.metric))
        check(source, target, images, dimension=256 * inner.num_blades)


def test_no_metric_gives_the_exterior_algebra():
    generator = torch.Generator().manual_seed(0)
    for dim in range(1, 7):
        algebra, other = Algebra(0, 0, dim), Algebra(dim)
        a, b = torch.randint(-4, 5, (2, algebra.num_blades), generator=generator).double()
        assert torch.equal(F.geometric_product(a, b, algebra), F.outer_product(a, b, other))
        # anticommuting and nilpotent generators are all it takes
        check(algebra, Elements(algebra), generators(algebra), dimension=2**dim)


def test_wrong_images_are_found():
    with pytest.raises(AssertionError, match="generators 0 and 0"):
        check(Algebra(2), Matrices(2, Algebra()), real(EPSILON, SIGMA_Z))
    with pytest.raises(AssertionError, match="generators 0 and 1"):
        check(Algebra(2), Matrices(2, Algebra()), real(SIGMA_X, SIGMA_X))
    # Cl(0,3) is H + H: its image in the quaternions is a homomorphism, but not one to one
    quaternions = Algebra(0, 2)
    with pytest.raises(AssertionError, match="one to one"):
        check(Algebra(0, 3), Elements(quaternions), named(quaternions, "e1", "e2", "e12"))
