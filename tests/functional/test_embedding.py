"""Moving multivectors between algebras, and the isomorphisms of Clifford algebras, exact on integers."""

import itertools

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, BladeError, DomainError, LayoutError, ShapeError
from helpers.multivectors import blade, random_integers

PGA = Algebra.from_name("3DPGA")
SIGNATURES = [
    (p, q, n - p - q) for n in range(1, 6) for p, q in itertools.product(range(n + 1), repeat=2) if p + q <= n
]


def generator_images(source, target, words):
    """Images of generators, each a product of generators of the target given by their places."""
    images = torch.zeros(source.dim, target.num_blades, dtype=torch.float64)
    for row, word in zip(images, words, strict=True):
        product = blade(target, "1")
        for place in word:
            vector = torch.zeros(target.num_blades, dtype=torch.float64)
            vector[target.blade_masks.index(1 << place)] = 1.0
            product = F.geometric_product(product, vector, target)
        row.copy_(product)
    return images


def assert_homomorphism(source, target, words):
    """Assert that the words give a map that keeps products and units and, by its rank, is injective."""
    images = generator_images(source, target, words)
    a, b = random_integers(source, 4), random_integers(source, 4, seed=1)

    def phi(x):
        return F.homomorphism(images, x, source, target)

    assert torch.equal(phi(F.geometric_product(a, b, source)), F.geometric_product(phi(a), phi(b), target))
    assert torch.equal(phi(blade(source, "1")), blade(target, "1"))
    matrix = phi(torch.eye(source.num_blades, dtype=torch.float64))
    assert torch.linalg.matrix_rank(matrix) == source.num_blades
    return matrix


def places(algebra, sign):
    return [i for i, square in enumerate(algebra.metric) if square == sign]


# Subalgebras


def test_subalgebra_keeps_squares_names_and_order():
    algebra = Algebra(metric=(2.0, -1.0, 0.0), names="xyz")
    sub = algebra.subalgebra("ez", "ex")
    assert sub.metric == (0.0, 2.0)
    assert sub.blade_names == ("1", "ez", "ex", "ezx")
    assert Algebra(3, 0, 1).subalgebra("e1", "e2", "e3") is Algebra(3)
    assert Algebra(3).subalgebra("e1", "e2", "e3") is Algebra(3)
    assert Algebra(3).subalgebra().num_blades == 1
    assert Algebra(62).subalgebra("e10", "e62").generator_names == ("e10", "e62")
    signed = PGA.subalgebra("e1", "e2", "e3")
    assert signed.blade_names == ("1", "e1", "e2", "e3", "e12", "e31", "e23", "e123")


def test_wrong_subalgebras():
    for names, message in (
        (("e12",), "'e12' is no generator of .*expected some of e1, e2, e3"),
        (("e1", "e1"), "expected each at most once"),
        (("e5",), "'e5' is not a blade"),
    ):
        with pytest.raises(BladeError, match=message):
            Algebra(3).subalgebra(*names)


# Renaming generators


@pytest.mark.parametrize(
    ("source", "target", "mapping"),
    [
        (Algebra(2), Algebra(3), None),
        (Algebra(3), Algebra(3, 0, 1), None),
        (Algebra(3), PGA, {"e1": "-e3", "e3": "e1"}),
        (PGA, Algebra(3, 0, 1), None),
        (Algebra(3), Algebra(3), {"e1": "e2", "e2": "e3", "e3": "-e1"}),
        (Algebra(1, 1), Algebra(3, 2), {"e1": "-e3", "e2": "e5"}),
        (Algebra(metric=(2.0, 0.0), names="ab"), Algebra(metric=(0.0, 1.0, 2.0)), {"ea": "-e2", "eb": "e0"}),
    ],
    ids=str,
)
def test_embedding_keeps_products_and_restriction_undoes_it(source, target, mapping):
    a, b = random_integers(source, 5), random_integers(source, 5, seed=1)
    ours = F.embed(F.geometric_product(a, b, source), source, target, mapping)
    theirs = F.geometric_product(F.embed(a, source, target, mapping), F.embed(b, source, target, mapping), target)
    assert torch.equal(ours, theirs)
    moved = F.embed(a, source, target, mapping)
    assert torch.equal(F.restrict(moved, target, source, mapping, project=True), a)
    mapped = mapping or {}
    for name in source.generator_names:
        image = mapped.get(name, name)
        sign = -1.0 if image.startswith("-") else 1.0
        expected = sign * blade(target, image.removeprefix("-"))
        assert torch.equal(F.embed(blade(source, name), source, target, mapping), expected)
    names = [mapped.get(name, name).removeprefix("-") for name in source.generator_names]
    signs = [-1.0 if mapped.get(name, name).startswith("-") else 1.0 for name in source.generator_names]
    images = torch.stack([sign * blade(target, name) for name, sign in zip(names, signs, strict=True)])
    assert torch.equal(F.homomorphism(images, a, source, target), moved)


def test_embedding_and_restriction_on_layouts():
    plane, space = Algebra(2), Algebra(3, 0, 1)
    mapping = {"e1": "e3", "e2": "-e0"}
    with pytest.raises(AlgebraMismatchError, match=r"e2 squares to 1 in Cl\(2,0\), but its image -e0 to 0"):
        F.embed(torch.ones(4), plane, space, mapping)
    mapping = {"e1": "e3"}
    x = torch.tensor([[2.0, 3.0], [5.0, 7.0]])
    even = F.embed(x, plane, space, mapping, layout=plane.even)
    layout = space.layout("1", "e23")
    assert torch.equal(even, torch.tensor([[2.0, -3.0], [5.0, -7.0]]))
    assert torch.equal(
        F.embed(x, plane, space, mapping, layout=plane.even, out_layout=space.layout("e32", "1")), x.flip(1)
    )
    assert torch.equal(F.restrict(even, space, plane, mapping, layout=layout, out_layout=plane.even), x)
    assert torch.equal(F.restrict(even, space, plane, mapping, layout=layout)[:, [0, 3]], x)
    many = Algebra(50)
    lifted = F.embed(x, plane, many, {"e1": "e49", "e2": "e7"}, layout=plane.vectors)
    assert torch.equal(lifted, x.flip(1))


def test_wrong_embeddings():
    plane, space = Algebra(2), Algebra(3)
    x = torch.ones(4)
    for mapping, message in (
        ({"e1": "e12"}, "e1 is mapped to 'e12', expected a generator"),
        ({"e1": "e2"}, "two generators of .* are mapped to one"),
        ({"e3": "e1"}, "has no generators e3; it has e1, e2"),
        ({"e1": "e7"}, "'e7' is not a blade"),
    ):
        with pytest.raises(BladeError, match=message):
            F.embed(x, plane, space, mapping)
    with pytest.raises(BladeError, match="'e3' is not a blade"):
        F.embed(torch.ones(8), space, plane)
    with pytest.raises(LayoutError, match="lacks images of"):
        F.embed(x, plane, space, out_layout=space.even)
    with pytest.raises(LayoutError, match="pass project=True to drop them"):
        F.restrict(torch.ones(8), space, plane)
    with pytest.raises(ShapeError, match="4 blades"):
        F.embed(torch.ones(8), plane, space)
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        F.embed(x, plane, "Cl(3,0)")
    for names in (3, "e1", [("e1", "e2")], {"e1": 3}, {3: "e1"}):
        with pytest.raises(BladeError, match="expected names of generators such as"):
            F.embed(torch.ones(4), Algebra(2), Algebra(3), names)


# Homomorphisms


def test_homomorphisms_on_layouts_and_batches():
    source, target = Algebra(2), Algebra(3)
    images = torch.stack([generator_images(source, target, words) for words in (((0,), (1,)), ((2,), (0,)))])
    x = random_integers(source, 5, 1)
    result = F.homomorphism(images, x, source, target)
    assert result.shape == (5, 2, 8)
    assert torch.equal(result[:, 1], F.embed(x[:, 0], source, target, {"e1": "e3", "e2": "e1"}))
    even = F.change_layout(x, source.full, source.even, project=True)
    narrow = F.homomorphism(images, even, source, target, layout=source.even, out_layout=target.even)
    expected = F.grade_project(result, (0, 2), target)
    assert torch.equal(F.change_layout(narrow, target.even, target.full), expected)
    assert F.homomorphism(images[0], x[:0], source, target).shape == (0, 1, 8)


def test_images_that_break_the_relations_are_refused():
    source, target = Algebra(2), Algebra(3)
    x = torch.ones(4, dtype=torch.float64)
    square = generator_images(source, target, ((0,), (0, 1)))
    same = generator_images(source, target, ((0,), (0,)))
    for images in (square, same, torch.stack((generator_images(source, target, ((0,), (1,))), same))):
        with pytest.raises(DomainError, match="do not anticommute or do not square to"):
            F.homomorphism(images, x, source, target)
    compiled = torch.compile(lambda m: F.homomorphism(m, x, source, target), fullgraph=True, backend="aot_eager")
    assert compiled(same).isnan().all()
    good = generator_images(source, target, ((0,), (1,)))
    torch.testing.assert_close(compiled(good), F.homomorphism(good, x, source, target))
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 2, 8\)"):
        F.homomorphism(good[:1], x, source, target)


def test_derivatives_and_transforms():
    source, target = Algebra(2), Algebra(2, 0, 1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    angle = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    basis = torch.stack([blade(target, name) for name in ("e1", "e2")])

    def turned(angle, x):
        rotation = torch.stack((torch.stack((angle.cos(), angle.sin())), torch.stack((-angle.sin(), angle.cos()))))
        return F.homomorphism(rotation @ basis, x, source, target)

    assert torch.autograd.gradcheck(turned, (angle, x))
    assert torch.autograd.gradcheck(lambda x: F.embed(x, source, target, {"e1": "-e2", "e2": "e1"}), (x,))
    assert torch.autograd.gradcheck(lambda y: F.restrict(y, target, source, project=True), (turned(angle, x),))
    images = basis.expand(3, 2, 8)
    mapped = torch.vmap(lambda m, a: F.homomorphism(m, a, source, target))(images, x)
    assert torch.equal(mapped, F.embed(x, source, target))
    assert torch.equal(torch.vmap(lambda a: F.embed(a, source, target))(x), F.embed(x, source, target))
    compiled = torch.compile(lambda a: F.embed(a, source, target), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), F.embed(x, source, target))
    assert F.embed(x.bfloat16(), source, target).dtype == torch.bfloat16
    assert F.homomorphism(basis.bfloat16(), x.bfloat16(), source, target).dtype == torch.bfloat16


def test_compiled_to_a_layout_made_on_the_way():
    source, target = Algebra(metric=(1.0, -2.25)), Algebra(metric=(-2.25, 1.0, 3.0))
    mapping = {"e1": "e2", "e2": "-e1"}

    def move(x):
        return F.embed(x, source, target, mapping, layout=source.vectors)

    x = torch.tensor([[1.0, 2.0]])
    assert torch.equal(torch.compile(move, fullgraph=True, backend="aot_eager")(x), move(x))


# Isomorphisms


def test_algebras_of_one_generator_are_the_planar_numbers():
    a, b, c, d = torch.randint(-4, 5, (4, 20), generator=torch.Generator().manual_seed(0)).double()
    for algebra, square in ((Algebra.complex(), -1), (Algebra.split_complex(), 1), (Algebra.dual_numbers(), 0)):
        product = F.geometric_product(torch.stack((a, b), -1), torch.stack((c, d), -1), algebra)
        assert torch.equal(product, torch.stack((a * c + square * b * d, a * d + b * c), -1))


def hamilton(x, y):
    a, b, c, d = x.unbind(-1)
    e, f, g, h = y.unbind(-1)
    parts = (a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g)
    return torch.stack((*parts, a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e), -1)


def test_quaternions():
    quaternions, space = Algebra.quaternions(), Algebra(3)
    x, y = random_integers(quaternions, 20), random_integers(quaternions, 20, seed=1)
    assert torch.equal(F.geometric_product(x, y, quaternions), hamilton(x, y))
    matrix = assert_homomorphism(quaternions, space, ((2, 1), (0, 2)))
    even = F.change_layout(torch.eye(8, dtype=torch.float64), space.full, space.even, project=True)
    assert torch.equal((matrix @ even).abs().sum(0), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("algebra", "generators"),
    [
        (Algebra(2), ([[0, 1], [1, 0]], [[1, 0], [0, -1]])),
        (Algebra(1, 1), ([[0, 1], [1, 0]], [[0, -1], [1, 0]])),
        (Algebra(3), ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])),
    ],
    ids=["M2(R) Cl(2,0)", "M2(R) Cl(1,1)", "M2(C) Cl(3,0)"],
)
def test_matrix_algebras(algebra, generators):
    dtype = torch.complex128 if algebra.dim == 3 else torch.float64
    vectors = [torch.tensor(matrix, dtype=dtype) for matrix in generators]
    blades = []
    for mask in algebra.blade_masks:
        matrix = torch.eye(2, dtype=dtype)
        for i, factor in enumerate(vectors):
            matrix = matrix @ factor if mask >> i & 1 else matrix
        blades.append(matrix)
    basis = torch.stack(blades)
    a, b = random_integers(algebra, 5), random_integers(algebra, 5, seed=1)

    def represent(x):
        return torch.einsum("...b,bij->...ij", x.to(dtype), basis)

    assert torch.equal(represent(F.geometric_product(a, b, algebra)), represent(a) @ represent(b))
    real = torch.view_as_real(basis) if dtype.is_complex else basis
    assert torch.linalg.matrix_rank(real.flatten(1).double()) == algebra.num_blades


def test_even_subalgebras():
    for p, q, r in SIGNATURES:
        whole = Algebra(p, q, r)
        for sign, rest in ((1.0, (q, p - 1, r)), (-1.0, (p, q - 1, r))):
            if min(rest) < 0:
                continue
            part = Algebra(*rest)
            fixed = places(whole, sign)[0]
            others = [i for i in range(whole.dim) if i != fixed]
            # e_i e_fixed squares to -e_i^2 e_fixed^2
            images = {square: [i for i in others if -whole.metric[i] * sign == square] for square in (0.0, 1.0, -1.0)}
            words = [(images[square].pop(0), fixed) for square in part.metric]
            matrix = assert_homomorphism(part, whole, words)
            odd = torch.tensor([grade % 2 == 1 for grade in whole.grades])
            assert not matrix[:, odd].any()


def test_spacetime_has_the_even_part_of_either_sign_and_of_the_pauli_algebra():
    assert_homomorphism(Algebra(3), Algebra(1, 3), [(i, 0) for i in (1, 2, 3)])
    assert_homomorphism(Algebra(3), Algebra(3, 1), [(i, 3) for i in (0, 1, 2)])
    assert_homomorphism(Algebra.dual_quaternions(), Algebra(3, 0, 1), [(0, 3), (1, 3), (2, 3)])


def test_signatures_that_give_the_same_algebra():
    for p, q, r in SIGNATURES:
        if r == 0 and p > 0:
            source, target = Algebra(p, q), Algebra(q + 1, p - 1)
            negative, positive = places(target, -1.0), places(target, 1.0)[1:]
            words = [(0,), *((0, i) for i in negative), *((0, i) for i in positive)]
            assert_homomorphism(source, target, words)
    for source, target in ((Algebra(4), Algebra(0, 4)), (Algebra(5), Algebra(1, 4)), (Algebra(4, 1), Algebra(0, 5))):
        four = places(target, -1.0)[:4]
        rest = [i for i in range(target.dim) if i not in four]
        changed = [(i, *four) for i in four]
        kept = {square: [(i,) for i in rest if target.metric[i] == square] for square in (1.0, -1.0)}
        words = [(changed or kept[square]).pop(0) if square == 1.0 else kept[square].pop(0) for square in source.metric]
        assert_homomorphism(source, target, words)


@pytest.mark.parametrize("inner", [Algebra(1), Algebra(2), Algebra(0, 2), Algebra(1, 1), Algebra(2, 1)], ids=str)
def test_a_hyperbolic_pair_is_a_factor_of_real_matrices(inner):
    outer = Algebra(inner.p + 1, inner.q + 1)
    pair = (places(outer, 1.0)[-1], places(outer, -1.0)[-1])
    words = [(i, *pair) for i in range(outer.dim) if i not in pair]
    matrix = assert_homomorphism(inner, outer, words)
    for place in pair:
        vector = blade(outer, outer.generator_names[place])
        assert torch.equal(F.geometric_product(matrix, vector, outer), F.geometric_product(vector, matrix, outer))


@pytest.mark.parametrize("inner", [Algebra(1), Algebra(0, 1)], ids=str)
def test_eight_generators_are_a_factor_of_real_matrices(inner):
    outer = Algebra(inner.p + 8, inner.q)
    eight = range(8)
    matrix = assert_homomorphism(inner, outer, [(8, *eight)])
    for place in eight:
        vector = blade(outer, outer.generator_names[place])
        assert torch.equal(F.geometric_product(matrix, vector, outer), F.geometric_product(vector, matrix, outer))


@pytest.mark.parametrize("r", range(1, 6))
def test_null_generators_give_the_exterior_algebra(r):
    algebra = Algebra.exterior(r)
    a, b = random_integers(algebra, 5), random_integers(algebra, 5, seed=1)
    assert torch.equal(F.geometric_product(a, b, algebra), F.outer_product(a, b, Algebra(r)))
