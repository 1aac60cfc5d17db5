"""Multivectors in compiled, transformed and exported programs, in files and between processes."""

import contextlib
import copy
import io
import operator
import pickle

import pytest
import torch
from torch.utils import _pytree
from torch.utils.data import DataLoader, Dataset

from cliffnet import Algebra, Multivector
from cliffnet import functional as F

PGA = Algebra(3, 0, 1)
X = PGA.randn(4, layout=PGA.even, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
V = PGA.randn(4, layout=PGA.vectors, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
T = torch.linspace(0.5, 2.0, 4, dtype=torch.float64)


def program(x, v, t):
    y = (x >> v) + 2 * t + t * v * x - v / t
    z = torch.stack([y, y.reverse()], -1).sum(-1)
    chosen = torch.where(t > 1, x(2), v)
    rotor = (0.5 * x(2)).exp()
    return z * x * x, y.e31, z(2), y["e1"], (x ^ v).dual() * PGA.e12, chosen, rotor >> v, rotor.inverse(), y == z


def same(first, second):
    for a, b in zip(first, second, strict=True):
        assert type(a) is type(b)
        if isinstance(a, Multivector):
            assert a.layout is b.layout
            a, b = a.tensor, b.tensor
        torch.testing.assert_close(a, b)
    return True


def test_compiled_in_one_graph():
    compiled = torch.compile(program, fullgraph=True, backend="aot_eager")
    assert same(compiled(X, V, T), program(X, V, T))


def test_methods_of_blades_and_batches_compile():
    wide = Algebra(4, 0, 1)

    def methods(x):
        line = x.e12.unsqueeze(-1)[..., 0] * PGA.e12.double()
        met = line.meet(PGA.e23.double(), grade=1)
        parts = (
            x(2).invariant_decomposition(),
            x.outermorphism(2 * torch.eye(4, dtype=torch.float64)),
            *x.inverse_ex(),
        )
        return met, x.embed(wide, {"e1": "e4"}), x.unsqueeze(0).squeeze(0).reshape((2, 2)), *parts

    compiled = torch.compile(methods, fullgraph=True, backend="aot_eager")
    assert same(compiled(X), methods(X))


def test_the_sign_of_reversion_compiles_where_torch_can():
    # the compiler of torch 2.11 and before refuses ~ of anything but tensors; x.reverse() always works
    expected = contextlib.nullcontext()
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 12):
        expected = pytest.raises(torch._dynamo.exc.Unsupported, match="invert")
    with expected:
        assert same([torch.compile(lambda x: ~x, fullgraph=True, backend="eager")(X)], [X.reverse()])


SIDES = (operator.add, operator.sub, operator.mul, operator.xor, operator.or_, operator.and_, operator.lshift)


@pytest.mark.parametrize("operation", [*SIDES, operator.rshift, operator.truediv, operator.eq, operator.ne])
def test_operators_with_tensors_compile_on_either_side(operation):
    torch.compiler.reset()  # one program for each operation, not one that is compiled again
    x = X(0, 2) + 3

    def both(x, t):
        return operation(x, t), operation(t, x)

    assert same(torch.compile(both, fullgraph=True, backend="eager")(x, T), both(x, T))


def test_compiling_works_with_layouts_never_seen_before():
    algebra = Algebra(2, 2, 1, names="abcde")

    def fresh(t):
        return (algebra.vector(t) * algebra.eab + algebra.ec).dual()(2, 4), algebra.bivector(t.repeat(2)).exp()

    t = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)
    assert same(torch.compile(fresh, fullgraph=True, backend="eager")(t), fresh(t))


def test_other_layouts_do_not_recompile():
    compiled = torch.compile(lambda x: (x * x)(0), fullgraph=True, backend="eager")
    first = compiled(X)
    Algebra(3, names="pqr").even.product(Algebra(3, names="pqr").vectors)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert same([compiled(X + 0)], [first])


def test_mapped_and_differentiated():
    assert same(torch.func.vmap(program)(X, V, T), program(X, V, T))
    assert same(torch.func.vmap(program, in_dims=(0, None, 0))(X, V[0], T), program(X, V[:1], T))

    def energy(x):
        return (x * x).coefficient_norm().sum()

    gradient = torch.func.grad(energy)(X)
    leaf = X.clone().detach().requires_grad_()
    energy(leaf).backward()
    assert isinstance(gradient, Multivector)
    assert same([gradient], [leaf.grad])
    _, tangent = torch.func.jvp(lambda x: x * x, (X,), (X,))
    assert same([tangent], [2 * (X * X)])


class Model(torch.nn.Module):
    def forward(self, x, v):
        return {"moved": x >> v, "coefficient": v.e1}


# torch 2.10 and 2.11 warn of the buffer that they read the program from
@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")
def test_exported_and_saved():
    batch = torch.export.Dim("batch", min=2)
    exported = torch.export.export(Model(), (X, V), dynamic_shapes=([{0: batch}], [{0: batch}]))
    assert same(exported.module()(X, V).values(), Model()(X, V).values())
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    assert same(torch.export.load(file).module()(X[:3], V[:3]).values(), Model()(X[:3], V[:3]).values())


def test_pytree():
    leaves, structure = _pytree.tree_flatten({"a": X, "b": [V]})
    assert [leaf is tensor for leaf, tensor in zip(leaves, (X.tensor, V.tensor), strict=True)] == [True, True]
    assert same(_pytree.tree_unflatten(leaves, structure)["b"], [V])
    paths = [_pytree.keystr(path) for path, _ in _pytree.tree_flatten_with_path({"a": X})[0]]
    assert paths == ["['a'].tensor"]
    assert _pytree.treespec_loads(_pytree.treespec_dumps(structure)) == structure
    signed = Algebra.from_name("3DPGA").randn(2)
    _, structure = _pytree.tree_flatten(signed)
    assert _pytree.treespec_loads(_pytree.treespec_dumps(structure)) == structure


def test_copies_and_pickles():
    for again in (copy.copy(X), copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        assert same([again], [X])
    assert copy.deepcopy(X).tensor.data_ptr() != X.tensor.data_ptr()


def test_saved_by_torch_and_loaded_safely():
    signed = Algebra.from_name("3DPGA").randn(2)
    wide = Algebra(40).randn(2, layout=Algebra(40).vectors)
    file = io.BytesIO()
    torch.save({"x": X, "more": [V, signed, wide]}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert same([loaded["x"], *loaded["more"]], [X, V, signed, wide])


class Blades(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"x": PGA.e1 * index if index % 2 else PGA.e12 * index, "index": index}


@pytest.mark.parametrize("workers", [0, 1])
def test_data_loaders_stack(workers):
    batches = list(
        DataLoader(Blades(), batch_size=2, num_workers=workers, multiprocessing_context="fork" if workers else None)
    )
    assert [batch["x"].shape for batch in batches] == [(2,), (2,)]
    assert torch.cat([batch["x"] for batch in batches]).e1.tolist() == [0.0, 1.0, 0.0, 3.0]
    assert batches[1]["x"].layout.blade_names == ("e1", "e12")


def test_gradients_reach_through_every_wrapper():
    t = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    motor = PGA.random_rotor(5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def length(t):
        moved = torch.stack([motor >> PGA.vector(t), PGA.vector(t)]).mean(0)
        return torch.where(t[:, 0] > 0, moved, 2 * moved)[1:].norm_squared()

    assert torch.autograd.gradcheck(length, t)
    assert torch.allclose(PGA.vector(t).norm_squared(), F.norm_squared(t, PGA, layout=PGA.vectors))
