"""Rotors from vectors, frames, matrices and quaternions, and back."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import ConfigError, DomainError, DTypeError, LayoutError, ShapeError, SignatureError
from helpers.blades import random_vectors
from helpers.multivectors import SIGNED_BASIS
from helpers.rotors import ALGEBRAS, WIDE, bivector, deviation, full, is_unit, rotors

PGA = Algebra(3, 0, 1)


def up_to_sign(found, expected):
    """The worst difference of coefficients where the better of the two signs counts."""
    differences = [(found - sign * expected).abs().amax(-1) for sign in (1, -1)]
    return float((torch.minimum(*differences) / expected.abs().amax(-1)).max())


def action(versor, vectors, algebra):
    return F.sandwich(versor, vectors, algebra, x_layout=algebra.vectors, unit=True)


def test_matrices_act_as_rotors_do():
    for algebra in (*ALGEBRAS[1:], *WIDE):
        rotor, vectors = rotors(algebra, 4, length=1.5), random_vectors(algebra, 4)
        matrix = F.rotor_to_matrix(rotor, algebra)
        moved = (matrix @ vectors.unsqueeze(-1)).squeeze(-1)
        assert deviation(moved, action(rotor, vectors, algebra)) < 1e-12
        metric = torch.tensor([algebra.metric[mask.bit_length() - 1] for mask in algebra.vectors.blade_masks]).double()
        preserved = matrix.mT @ (metric.unsqueeze(-1) * matrix)
        torch.testing.assert_close(preserved, torch.diag(metric).expand_as(preserved), rtol=0, atol=1e-9)


def test_the_matrix_is_that_of_the_commutator():
    for algebra in (Algebra(4, 1), PGA):
        given = full(0.3 * torch.ones(algebra.bivectors.size).double(), algebra)
        basis = full(torch.eye(algebra.dim).double(), algebra, algebra.vectors)
        turning = F.change_layout(F.commutator(given, basis, algebra), algebra.full, algebra.vectors, project=True)
        expected = torch.linalg.matrix_exp(2 * turning.mT)
        torch.testing.assert_close(F.rotor_to_matrix(F.exp(given, algebra), algebra), expected)


def test_rotors_of_matrices():
    assert F.rotor_from_matrix(torch.zeros(2, 0, 0), Algebra(0)).tolist() == [[1.0], [1.0]]
    for algebra in (*ALGEBRAS[1:], *WIDE):
        rotor = rotors(algebra, 5, length=2.0)
        matrix = F.rotor_to_matrix(rotor, algebra)
        found = F.rotor_from_matrix(matrix, algebra)
        assert deviation(F.rotor_to_matrix(found, algebra), matrix) < 1e-12, algebra
        if algebra.r < 2:
            assert up_to_sign(found, rotor) < 1e-12, algebra
        assert (found[..., algebra.index("1")[0]] >= 0).all()


def test_no_rotation_is_special():
    algebra = Algebra(5)
    for signs in ([1, 1, 1, 1, 1], [-1, -1, 1, 1, 1], [-1, 1, -1, -1, -1], [1, -1, -1, -1, -1]):
        matrix = torch.diag(torch.tensor(signs).double())
        mover = F.rotor_to_matrix(rotors(algebra, 4), algebra)
        turned = mover @ matrix @ mover.mT
        found = F.rotor_from_matrix(turned, algebra)
        assert is_unit(found, algebra)
        assert deviation(F.rotor_to_matrix(found, algebra), turned) < 1e-12
    both = F.exp(full(bivector(Algebra(2, 2), e12=math.pi / 2, e34=math.pi / 2), Algebra(2, 2)), Algebra(2, 2))
    assert up_to_sign(F.rotor_from_matrix(-torch.eye(4).double(), Algebra(2, 2)), both) < 1e-14


def test_matrices_of_a_signed_basis():
    algebra = Algebra(3, 0, 1, basis=SIGNED_BASIS)
    rotor = rotors(algebra, 3)
    assert up_to_sign(F.rotor_from_matrix(F.rotor_to_matrix(rotor, algebra), algebra), rotor) < 1e-13


@pytest.mark.parametrize(
    ("algebra", "matrix"),
    [
        (Algebra(3), torch.diag(torch.tensor([1.0, 1.0, -1.0]))),
        (Algebra(3), 2 * torch.eye(3)),
        (Algebra(2), torch.tensor([[1.0, 1.0], [0.0, 1.0]])),
        (Algebra(1, 1), -torch.eye(2)),
        (Algebra(2, 0, 1), torch.diag(torch.tensor([2.0, 1.0, 1.0]))),
    ],
)
def test_matrices_of_no_rotor(algebra, matrix):
    with pytest.raises(DomainError, match="no rotation that a rotor of"):
        F.rotor_from_matrix(matrix, algebra)
    assert torch.func.vmap(lambda value: F.rotor_from_matrix(value, algebra))(matrix.unsqueeze(0)).isnan().any()


def test_misfitting_matrices():
    with pytest.raises(ShapeError, match="3 rows and columns"):
        F.rotor_from_matrix(torch.eye(4), Algebra(3))
    with pytest.raises(DTypeError, match="int64"):
        F.rotor_from_matrix(torch.eye(3).long(), Algebra(3))


def test_frames():
    for algebra in (Algebra(3), PGA, Algebra(1, 3), Algebra(4, 1), Algebra(6)):
        rotor, source = rotors(algebra, 3, length=1.0), random_vectors(algebra, 3, algebra.dim)
        target = action(rotor.unsqueeze(-2), source, algebra)
        found = F.rotor_from_frames(source, target, algebra, layout=algebra.vectors)
        assert up_to_sign(found, rotor) < 1e-9, algebra
        dense = F.rotor_from_frames(*(full(frame, algebra, algebra.vectors) for frame in (source, target)), algebra)
        torch.testing.assert_close(dense, found)
    source = torch.eye(3)
    with pytest.raises(DomainError, match="does not span"):
        F.rotor_from_frames(torch.ones(3, 3), source, Algebra(3), layout=Algebra(3).vectors)
    with pytest.raises(DomainError, match="no rotation"):
        F.rotor_from_frames(source, -source, Algebra(3), layout=Algebra(3).vectors)
    with pytest.raises(DomainError, match="takes vectors"):
        F.rotor_from_frames(torch.ones(3, 8), torch.ones(3, 8), Algebra(3))
    with pytest.raises(ShapeError, match="a frame of"):
        F.rotor_from_frames(source[:2], source[:2], Algebra(3), layout=Algebra(3).vectors)


@pytest.mark.parametrize(
    "algebra", [Algebra(2), Algebra(3), Algebra(0, 3), Algebra(5), Algebra(metric=(2, 0.5, 3))], ids=str
)
def test_vectors(algebra):
    metric = torch.tensor(algebra.metric).double()
    a, b = (random_vectors(algebra, 6, seed=seed) for seed in (1, 2))
    a, b = (value / (value * value * metric).sum(-1, keepdim=True).abs().sqrt() for value in (a, b))
    b[0], b[1] = a[0], -a[1]
    b[2] = -a[2] + 1e-6 * b[2]
    b[2] /= (b[2] * b[2] * metric).sum().abs().sqrt()
    found = F.rotor_from_vectors(5 * a, 0.1 * b, algebra, layout=algebra.vectors, out_layout=algebra.full)
    assert is_unit(found, algebra)
    assert deviation(action(found, a, algebra), b) < 1e-9
    # the shorter way
    assert (found[..., algebra.index("1")[0]] > -1e-12).all()
    exact = torch.tensor([0, 1, 3, 4, 5])
    assert deviation(action(found, a, algebra)[exact], b[exact]) < 1e-13
    dense = F.rotor_from_vectors(*(full(value, algebra, algebra.vectors) for value in (a, b)), algebra)
    torch.testing.assert_close(dense, found)


def test_vectors_and_planes_of_a_large_algebra():
    algebra = Algebra(20)
    planes = algebra.layout(grades=(0, 2))
    a, b = random_vectors(algebra, 2)
    found = F.rotor_from_vectors(a, b, algebra, layout=algebra.vectors)
    assert found.shape == (planes.size,)
    moved = F.sandwich(found, a, algebra, versor_layout=planes, x_layout=algebra.vectors, out_layout=algebra.vectors)
    torch.testing.assert_close(moved / moved.norm(), b / b.norm())
    with pytest.raises(LayoutError, match="too many to list"):
        F.exp(torch.ones(190), algebra, layout=algebra.bivectors)


def test_vectors_of_indefinite_metrics():
    algebra = Algebra(1, 3)
    vectors = algebra.vectors
    rotor = rotors(algebra, 5, length=2.0)
    for name in ("e1", "e2"):
        start = full(torch.ones(1).double(), algebra, algebra.layout(name)).expand(5, 16)
        end = F.sandwich(rotor, start, algebra)
        found = F.rotor_from_vectors(start, end, algebra)
        assert is_unit(found, algebra)
        assert deviation(F.sandwich(found, start, algebra, unit=True), end) < 1e-12
    spacelike = torch.tensor([0.3, 2.0, 0.1, -0.5])
    found = F.rotor_from_vectors(spacelike, -spacelike, algebra, layout=vectors, out_layout=algebra.full)
    torch.testing.assert_close(action(found, spacelike, algebra), -spacelike)
    timelike, null = torch.tensor([1.0, 0.2, 0.0, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    for a, b, message in (
        (timelike, -timelike, "opposite halves"),
        (timelike, spacelike, "differ in sign"),
        (null, timelike, "null vector"),
    ):
        with pytest.raises(DomainError, match=message):
            F.rotor_from_vectors(a, b, algebra, layout=vectors)
        pair = torch.stack((a, b)).unsqueeze(0)
        mapped = torch.func.vmap(lambda both: F.rotor_from_vectors(both[0], both[1], algebra, layout=vectors))(pair)
        assert mapped.isnan().any()
    with pytest.raises(DomainError, match="takes vectors"):
        F.rotor_from_vectors(torch.ones(16), torch.ones(16), algebra)
    unknown = torch.tensor([1.0, torch.nan, 0.0, 0.0])
    for a, b in ((unknown, timelike), (timelike, unknown)):
        assert F.rotor_from_vectors(a, b, algebra, layout=vectors).isnan().all()


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
@pytest.mark.parametrize(
    "algebra", [Algebra(3), PGA, Algebra(1, 3), Algebra(4, 1), Algebra(metric=(2, 3, 0.5)), Algebra(0, 3)], ids=str
)
def test_quaternions(algebra, order):
    a, b = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def in_order(w, x, y, z):
        return torch.stack((w, x, y, z) if order == "wxyz" else (x, y, z, w), -1)

    def parts(q):
        return q.unbind(-1) if order == "wxyz" else (q[..., 3], q[..., 0], q[..., 1], q[..., 2])

    (aw, ax, ay, az), (bw, bx, by, bz) = parts(a), parts(b)
    product = in_order(
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
    first, second = (F.rotor_from_quaternion(q, algebra, order=order) for q in (a, b))
    found = F.rotor_to_quaternion(F.geometric_product(first, second, algebra), algebra, order=order)
    torch.testing.assert_close(found, product)


def test_quaternions_turn_as_they_should():
    # a quarter turn about z takes x to y
    quarter = torch.tensor([math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)]).double()
    for algebra, names in ((Algebra(3), ("e1", "e2")), (PGA, ("e1", "e2")), (Algebra(1, 3), ("e2", "e3"))):
        x, y = (full(torch.ones(1).double(), algebra, algebra.layout(name)) for name in names)
        rotor = F.rotor_from_quaternion(quarter, algebra)
        torch.testing.assert_close(F.sandwich(rotor, x, algebra), y)


def test_misfitting_quaternions():
    one = torch.tensor([1.0, 0, 0, 0])
    with pytest.raises(SignatureError, match="three of one sign"):
        F.rotor_from_quaternion(one, Algebra(2, 2))
    with pytest.raises(ConfigError, match="'wxyz' or 'xyzw'"):
        F.rotor_from_quaternion(one, Algebra(3), order="xwyz")
    with pytest.raises(ShapeError, match=r"expected \(..., 4\)"):
        F.rotor_from_quaternion(one[:3], Algebra(3))
    with pytest.raises(DTypeError):
        F.rotor_from_quaternion(one.long(), Algebra(3))
    motor = rotors(PGA).float()
    with pytest.raises(DomainError, match="split a translation off"):
        F.rotor_to_quaternion(motor, PGA)
    assert torch.func.vmap(lambda value: F.rotor_to_quaternion(value, PGA))(motor.unsqueeze(0)).isnan().all()


def test_derivatives():
    algebra = Algebra(3)
    generators = torch.zeros(3, 3, 3, dtype=torch.float64)
    for plane, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        generators[plane, i, j], generators[plane, j, i] = 1.0, -1.0
    matrix = F.rotor_to_matrix(rotors(algebra, length=1.0), algebra)
    for start in (matrix, torch.diag(torch.tensor([1.0, -1.0, -1.0])).double()):
        start = start.clone().requires_grad_()

        def through(angles, start=start):
            # along rotations, for a matrix has to stay one
            turn = torch.linalg.matrix_exp(torch.einsum("kij,k->ij", generators, angles))
            rotor = F.rotor_from_matrix(start @ turn, algebra)
            return F.geometric_product(rotor, rotor, algebra)

        angles = torch.full((3,), 0.02, dtype=torch.float64, requires_grad=True)
        assert gradcheck(through, (angles,))
        assert gradgradcheck(through, (angles,))
    a, b = (random_vectors(algebra, seed=seed).requires_grad_() for seed in (1, 2))
    assert gradcheck(lambda a, b: F.rotor_from_vectors(a, b, algebra, layout=algebra.vectors), (a, b))
    assert gradgradcheck(lambda a, b: F.rotor_from_vectors(a, b, algebra, layout=algebra.vectors), (a, b))
    assert gradcheck(lambda a: F.rotor_from_vectors(a, a, algebra, layout=algebra.vectors), (a,))


def test_transforms_and_graphs():
    algebra = Algebra(4, 1)
    rotor, vectors = rotors(algebra, 3, length=1.0), random_vectors(algebra, 3)
    moved = action(rotor, vectors, algebra)
    matrix = F.rotor_to_matrix(rotor, algebra)
    keep = F.norm_squared(vectors, algebra, layout=algebra.vectors).abs() > 0.1
    assert keep.any()
    for run, arguments in (
        (lambda m: F.rotor_from_matrix(m, algebra), (matrix,)),
        (lambda r: F.rotor_to_matrix(r, algebra), (rotor,)),
        (lambda a, b: F.rotor_from_vectors(a, b, algebra, layout=algebra.vectors), (vectors[keep], moved[keep])),
        (lambda q: F.rotor_to_quaternion(F.rotor_from_quaternion(q, algebra), algebra), (torch.randn(3, 4),)),
    ):
        torch.compiler.reset()
        expected = run(*arguments)
        torch.testing.assert_close(torch.func.vmap(run)(*arguments), expected)
        torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(*arguments), expected)


def test_single_and_half_precision():
    algebra = Algebra(3)
    rotor = rotors(algebra, 4, length=1.0)
    matrix = F.rotor_to_matrix(rotor, algebra)
    assert up_to_sign(F.rotor_from_matrix(matrix.float(), algebra).double(), rotor) < 1e-6
    found = F.rotor_from_vectors(
        torch.ones(3).half(), torch.tensor([1.0, 2.0, 3.0]).half(), algebra, layout=algebra.vectors
    )
    assert found.dtype is torch.float16
