"""Derivatives of every order and form, outside of compiled graphs."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.operator_cases import CASES, FEW, Case

pytestmark = pytest.mark.filterwarnings("ignore:.*vmap.*:UserWarning")

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_value_matches_dense_table(case):
    left, right = case.operands(3, 5)
    torch.testing.assert_close(case.function(left, right), case.oracle(left, right), **CLOSE)


def test_gradcheck_with_forward_and_batched_modes(case):
    left, right = case.operands(2)
    assert gradcheck(
        case.function,
        (left, right),
        check_forward_ad=True,
        check_batched_grad=True,
        check_undefined_grad=True,
        fast_mode=case.algebra.num_blades > 16,
    )


def test_gradgradcheck(case):
    left, right = case.operands(1)
    assert gradgradcheck(case.function, (left, right), check_batched_grad=True, fast_mode=True)


def test_gradcheck_with_broadcast_operands(case):
    left, right = case.operands(2, 1)[0], case.operands(3)[1]
    assert gradcheck(case.function, (left, right), fast_mode=True)


def test_third_order(case):
    left, right = case.operands(1)

    def third(function):
        def energy(x):
            return (function(function(x, right.detach()) if "inner" not in case.name else x, x) ** 2).sum()

        first = torch.autograd.grad(energy(left), left, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), left, create_graph=True)[0]
        return torch.autograd.grad((second**2).sum(), left)[0]

    torch.testing.assert_close(third(case.function), third(case.oracle), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 1)])
def test_vmap(case, axes):
    left, right = case.operands(4, 4)
    left, right = (x if axis is not None else x[0] for x, axis in zip((left, right), axes, strict=True))
    torch.testing.assert_close(
        torch.vmap(case.function, axes)(left, right), torch.vmap(case.oracle, axes)(left, right), **CLOSE
    )


def test_vmap_nested(case):
    left, right = case.operands(3)
    outer = torch.vmap(torch.vmap(case.function, (0, None)), (None, 0))
    torch.testing.assert_close(outer(left, right), case.oracle(left[None], right[:, None]), **CLOSE)


def test_func_grad_and_vmap_of_grad(case):
    left, right = (x.detach() for x in case.operands(4))

    def energy(function):
        return lambda a, b: (function(a, b) ** 2).sum()

    for transform in (torch.func.grad, lambda f: torch.vmap(torch.func.grad(f))):
        torch.testing.assert_close(
            transform(energy(case.function))(left, right), transform(energy(case.oracle))(left, right), **CLOSE
        )


def test_jacrev_jvp_jacfwd_hessian(case):
    left, right = (x.detach()[0] for x in case.operands(1))

    def energy(function):
        return lambda a: (function(a, right) ** 2).sum()

    torch.testing.assert_close(
        torch.func.jacrev(lambda a: case.function(a, right))(left),
        torch.func.jacrev(lambda a: case.oracle(a, right))(left),
        **CLOSE,
    )
    torch.testing.assert_close(
        torch.func.jacfwd(lambda a: case.function(a, right))(left),
        torch.func.jacrev(lambda a: case.oracle(a, right))(left),
        **CLOSE,
    )
    value, tangent = torch.func.jvp(case.function, (left, right), (2 * left, right))
    torch.testing.assert_close(tangent, 3 * value, **CLOSE)
    torch.testing.assert_close(
        torch.func.hessian(energy(case.function))(left), torch.func.hessian(energy(case.oracle))(left), **CLOSE
    )
    torch.testing.assert_close(
        torch.func.jacrev(torch.func.jacrev(energy(case.function)))(left),
        torch.func.hessian(energy(case.oracle))(left),
        **CLOSE,
    )


def test_forward_mode_dual_tensors(case):
    left, right = (x.detach() for x in case.operands(3))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(left, torch.ones_like(left))
        tangent = forward_ad.unpack_dual(case.function(dual, right)).tangent
    torch.testing.assert_close(tangent, case.oracle(torch.ones_like(left), right), **CLOSE)


class PassThrough(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class Labelled(torch.Tensor):
    pass


SURROUNDINGS = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "device mode": lambda: torch.device("cpu"),
    "dispatch mode": PassThrough,
    "profiler": lambda: torch.profiler.profile(acc_events=True),
    "no_grad": torch.no_grad,
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_forward_mode_keeps_tangents_whatever_surrounds_it(case, surroundings):
    left, right = (x.detach() for x in case.operands(3))
    with SURROUNDINGS[surroundings](), forward_ad.dual_level():
        dual = forward_ad.make_dual(left, torch.ones_like(left))
        tangent = forward_ad.unpack_dual(case.function(dual, right)).tangent
        labelled = forward_ad.unpack_dual(case.function(dual.as_subclass(Labelled), right)).tangent
    expected = case.oracle(torch.ones_like(left), right)
    torch.testing.assert_close(tangent, expected, **CLOSE)
    torch.testing.assert_close(labelled.as_subclass(torch.Tensor), expected, **CLOSE)


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_functional_derivatives_under_autocast(case):
    left, right = (x.detach() for x in case.operands(3, dtype=torch.float32))
    half = left.bfloat16()

    def energy(function):
        return lambda a: (function(a.float() if function is case.oracle else a, right) ** 2).sum()

    with torch.autocast("cpu", torch.bfloat16):
        gradient = torch.func.grad(energy(case.function))(half)
        _, tangent = torch.func.jvp(lambda a: case.function(a, right), (half,), (half,))
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(gradient, torch.func.grad(energy(case.oracle))(half), rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(tangent, case.oracle(half.float(), right), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_is_grads_batched(case):
    left, right = case.operands(3)
    out = case.function(left, right)
    cotangents = torch.randn(5, *out.shape, dtype=out.dtype)
    batched = torch.autograd.grad(out, (left, right), cotangents, is_grads_batched=True, retain_graph=True)
    for index, cotangent in enumerate(cotangents):
        single = torch.autograd.grad(out, (left, right), cotangent, retain_graph=True)
        for many, one in zip(batched, single, strict=True):
            torch.testing.assert_close(many[index], one, **CLOSE)


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_gradient_only_of_what_needs_it(case):
    left, right = case.operands(3)
    out = case.function(left, right.detach())
    gradient = torch.autograd.grad(out.sum(), left)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(case.oracle(left, right).sum(), left)[0], **CLOSE)
    with torch.no_grad():
        assert not case.function(left, right).requires_grad
    with torch.inference_mode():
        assert case.function(left, right).is_inference()
