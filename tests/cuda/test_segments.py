"""Sums over the edges of nodes as CUDA devices take them: edges sorted by node, each sum in their order."""

import pytest
import torch

from cliffnet import functional as F
from cliffnet import reference
from cliffnet.ops._segments import sorted_by, sorted_gather, sorted_segment_sum
from helpers import cuda_host

NODES = 6
INDEX = torch.tensor([4, 0, 2, 4, 4, 0, 5, 2])
LAYOUTS = {
    "contiguous": lambda x: x,
    "blade-major": F.to_blade_major,
    "every other": lambda x: torch.stack([x, x], -1).flatten(-2)[..., ::2],
    "swapped": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "repeated": lambda x: x[:1].expand_as(x),
}


def test_entries_are_sorted_by_node_and_number():
    order, begins = sorted_by(INDEX.clone(), NODES)
    assert order.tolist() == [1, 5, 2, 7, 0, 3, 4, 6]
    assert begins.tolist() == [0, 2, 2, 4, 4, 7, 8]
    none = torch.zeros(0, dtype=torch.int32)
    assert [x.tolist() for x in sorted_by(none, 2)] == [[], [0, 0, 0]]


def test_the_order_is_kept_until_the_index_changes():
    index = INDEX.clone()
    assert sorted_by(index, NODES) is sorted_by(index, NODES)
    assert sorted_by(index, NODES + 1)[1].shape == (NODES + 2,)
    index[0] = 0
    assert sorted_by(index, NODES)[1].tolist() == [0, 3, 3, 5, 5, 7, 8]
    with torch.inference_mode():
        inside = INDEX.clone()
        assert sorted_by(inside, NODES) is not sorted_by(inside, NODES)


@pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_kernel_adds_in_the_order_of_the_edges(dtype):
    kernel = cuda_host.operators().segment_sum
    exact = dtype in (torch.float32, torch.float64)
    for layout in LAYOUTS.values():
        for rest in ((3, 8), (1, 8), (8,)):
            values = layout(torch.randn(8, *rest, dtype=torch.float64).to(dtype))
            found = kernel(values, INDEX, *sorted_by(INDEX, NODES))
            expected = reference.segment_sum(values, INDEX, NODES)
            assert (found.shape, found.stride(), found.dtype) == (expected.shape, expected.stride(), dtype)
            bound = 0 if exact else 1 / 32
            torch.testing.assert_close(found, expected, rtol=bound, atol=bound)


@pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")
def test_the_kernel_takes_empty_lists_and_lone_numbers():
    kernel = cuda_host.operators().segment_sum
    none = torch.zeros(0, dtype=torch.int64)
    assert torch.equal(kernel(torch.ones(0, 2, 4), none, *sorted_by(none, 3)), torch.zeros(3, 2, 4))
    assert kernel(torch.ones(8, 0), INDEX, *sorted_by(INDEX, NODES)).shape == (NODES, 0)
    assert kernel(torch.ones(0, 2), none, *sorted_by(none, 0)).shape == (0, 2)
    assert kernel(torch.ones(8), INDEX, *sorted_by(INDEX, NODES)).tolist() == [2, 0, 2, 0, 3, 1]
    with pytest.raises(RuntimeError, match="8 values, 7 in order and 7 begins do not belong together"):
        kernel(torch.ones(8), INDEX, INDEX[1:], sorted_by(INDEX, NODES)[1])


@pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")
def test_infinities_stay_with_their_node():
    values = torch.ones(8, 2)
    values[2, 0], values[6, 1] = torch.inf, torch.nan
    found = cuda_host.operators().segment_sum(values, INDEX, *sorted_by(INDEX, NODES))
    assert (~found.isfinite()).nonzero().tolist() == [[2, 0], [5, 1]]


def round_trip(values):
    """Sum what the nodes hand to the edges, by the operators."""
    sent = sorted_gather(values, INDEX, *sorted_by(INDEX, NODES))
    return sorted_segment_sum(sent.exp(), INDEX.flip(0), *sorted_by(INDEX.flip(0), NODES))


def plain(values):
    return reference.segment_sum(reference.gather(values, INDEX).exp(), INDEX.flip(0), NODES)


@pytest.mark.parametrize("layout", [lambda x: x, F.to_blade_major], ids=["contiguous", "blade-major"])
def test_each_is_the_derivative_of_the_other(layout):
    values = layout(torch.randn(NODES, 2, 4, dtype=torch.float64)).requires_grad_()
    result = round_trip(values)
    torch.testing.assert_close(result, plain(values))
    assert result.stride() == plain(values).stride()
    assert torch.autograd.gradcheck(round_trip, values)
    assert torch.autograd.gradgradcheck(round_trip, values)


def test_transforms_and_graphs():
    values = torch.randn(3, NODES, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(torch.vmap(round_trip)(values), torch.stack([plain(x) for x in values]))

    def loss(x):
        return round_trip(x).square().sum()

    expected = torch.autograd.functional.jacobian(lambda x: plain(x).square().sum(), values[0])
    torch.testing.assert_close(torch.func.grad(loss)(values[0]), expected)
    _, tangent = torch.func.jvp(loss, (values[0],), (values[1],))
    torch.testing.assert_close(tangent, (expected * values[1]).sum())
    x = values[0].clone().requires_grad_()
    (found,) = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend="aot_eager")(x), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.gpu
def test_sums_and_their_gradients_are_the_same_bits_in_every_run():
    from cliffnet.nn._neighbourhood import gather, segment_sum

    index = torch.randint(50, (20000,), device="cuda")
    values = torch.randn(50, 4, 8, device="cuda", requires_grad=True)
    runs = []
    for _ in range(3):
        result = segment_sum(gather(values, index).exp(), index, 50)
        runs.append((result, *torch.autograd.grad(result.square().sum(), values)))
    for run in runs[1:]:
        assert all(torch.equal(one, other) for one, other in zip(run, runs[0], strict=True))
    cpu = reference.segment_sum(reference.gather(values.detach().cpu(), index.cpu()).exp(), index.cpu(), 50)
    torch.testing.assert_close(runs[0][0].cpu(), cpu, rtol=1e-4, atol=1e-4)
