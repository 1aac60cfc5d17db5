"""Compare CUDA kernels, compiled for the processor, with the CPU's own."""

import torch

from cliffnet import functional as F
from helpers import cuda_host

BOUND = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1 / 64, torch.float16: 1 / 512}


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def on_device(case, tensors):
    return as_tuple(getattr(cuda_host.operators(), case.name.split("-")[0])(*tensors, *case.numbers))


def check(case, tensors):
    before = [tensor.clone() for tensor in tensors]
    found, expected = on_device(case, tensors), as_tuple(case.operator.dispatched(*tensors, *case.numbers))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.stride() == other.stride()
        assert one.dtype == other.dtype
        scale = other.double().abs().max().item() if other.numel() else 0.0
        bound = BOUND[one.dtype] * max(scale, 1.0)
        torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=bound, equal_nan=True)
    for tensor, copy in zip(tensors, before, strict=True):
        torch.testing.assert_close(tensor, copy, rtol=0, atol=0, equal_nan=True)


def spread(x):
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1]), torch.nan, dtype=x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def misaligned(x):
    wide = torch.full((*x.shape[:-1], x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    wide[..., 1:-2] = x
    return wide[..., 1:-2]


VIEWS = {
    "as it stands": lambda x: x,
    "blade-major": F.to_blade_major,
    "misaligned": misaligned,
    "every other blade": spread,
    "rows swapped": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "first of all": lambda x: x[:1].expand_as(x),
}


def compare(operator, tensors, numbers):
    found = as_tuple(getattr(cuda_host.operators(), operator.name)(*tensors, *numbers))
    tight, least = {torch.float32: (3e-6, 3e-7), torch.float64: (1e-11, 1e-15)}[tensors[0].dtype]
    for one, other in zip(found, as_tuple(operator.dispatched(*tensors, *numbers)), strict=True):
        torch.testing.assert_close(one, other, rtol=tight, atol=least, equal_nan=True)
