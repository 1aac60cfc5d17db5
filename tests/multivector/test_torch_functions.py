"""Functions of torch act on batch axes or not at all."""

import pytest
import torch

from cliffnet import Algebra, Multivector
from cliffnet.errors import AlgebraMismatchError, DTypeError, ShapeError

PGA = Algebra(3, 0, 1)
X = PGA.randn(2, 3, layout=PGA.even)
V = PGA.randn(2, 3, layout=PGA.vectors)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
def test_stack(dim):
    stacked = torch.stack([X, V, X], dim=dim)
    assert isinstance(stacked, Multivector)
    assert stacked.layout is PGA.even | PGA.vectors
    assert torch.equal(stacked.e12, torch.stack([X.e12, V.e12, X.e12], dim=dim))


@pytest.mark.parametrize("dim", [0, 1, -1, -2])
def test_cat(dim):
    for function in (torch.cat, torch.concat, torch.concatenate):
        joined = function([X, V], dim=dim)
        assert torch.equal(joined.e12, torch.cat([X.e12, V.e12], dim))
        assert torch.equal(joined.e1, torch.cat([X.e1, V.e1], dim))


def test_where():
    condition = torch.tensor([True, False, True])
    assert torch.equal(torch.where(condition, X, V).e1, torch.where(condition, X.e1, V.e1))
    assert torch.equal(torch.where(condition, X, 2.0)["1"], torch.where(condition, X["1"], 2.0))
    assert torch.equal(torch.where(condition, torch.ones(3), X)["1"], torch.where(condition, 1.0, X["1"]))
    with pytest.raises(TypeError, match="booleans"):
        torch.where(X, X, V)


@pytest.mark.parametrize("dim", [0, 1, -1, -2, (0, 1), (-1, 0)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions(dim, keepdim):
    for function in (torch.sum, torch.mean):
        reduced = function(X, dim=dim, keepdim=keepdim)
        assert torch.equal(reduced.e12, function(X.e12, dim=dim, keepdim=keepdim))
        assert (getattr(X, function.__name__)(dim, keepdim) == reduced).all()


def test_reductions_over_everything():
    assert torch.sum(X).shape == torch.mean(X).shape == ()
    assert torch.allclose(X.sum().e12, X.e12.sum())
    assert torch.allclose(torch.mean(X, dtype=torch.float64).e12, X.e12.double().mean())
    assert (X[0, 0].sum() == X[0, 0]).all()


def test_axes_are_those_of_the_batch():
    for function in (torch.sum, torch.mean):
        with pytest.raises(IndexError, match="2 batch axes"):
            function(X, dim=2)
    with pytest.raises(IndexError, match="3 batch axes"):
        torch.stack([X], dim=3)
    with pytest.raises(IndexError):
        torch.cat([X], dim=-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.relu(X),
        lambda: torch.nn.functional.gelu(X),
        lambda: torch.nn.functional.linear(X, torch.ones(8, 8)),
        lambda: torch.exp(X),
        lambda: torch.abs(X),
        lambda: torch.mul(X, X),
        lambda: torch.add(X, 1),
        lambda: torch.zeros_like(X),
        lambda: torch.allclose(X, X),
        lambda: torch.linalg.norm(X),
        lambda: torch.ones(2, 3).add_(X),
        lambda: torch.ones(2, 3).bitwise_and(X),
        lambda: torch.ones(3).__setitem__(0, X),
    ],
)
def test_others_are_refused(call):
    with pytest.raises(TypeError, match=r"does not act on multivectors.*mv\.map"):
        call()


def test_undefined_operators_of_tensors():
    for call in (
        lambda: torch.ones(2, 3) @ X,
        lambda: torch.ones(2, 3) ** X,
        lambda: torch.ones(2, 3) // X,
        lambda: torch.ones(2, 3) < X,
    ):
        with pytest.raises(TypeError):
            call()


def test_names_and_dtypes_of_torch():
    assert (torch.sum(X, axis=0) == X.sum(0)).all()
    assert torch.cat([X, V], axis=1).shape == (2, 6)
    assert X.mean(0, dtype=torch.float64).dtype == torch.float64
    with pytest.raises(DTypeError, match="int64"):
        torch.sum(X, dtype=torch.int64)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(3,\); expected one shape"):
        torch.stack([X, V[0]])
    for condition, other in ((torch.ones(5, dtype=torch.bool), V), (torch.tensor(True), torch.ones(5))):
        with pytest.raises(ShapeError, match="broadcast"):
            torch.where(condition, X, other)


def test_mixed_arguments_are_refused():
    with pytest.raises(AlgebraMismatchError):
        torch.stack([X, Algebra(3).randn(2, 3)])
    with pytest.raises(TypeError, match="got a Tensor"):
        torch.cat([X, torch.ones(2, 3)])
