"""What tests of layers on multivectors and scalars share."""

import torch


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def energy(results):
    """A number on which every entry has another influence."""
    return sum(
        (result * torch.arange(result.numel()).view(result.shape).cos()).sum()
        for result in results
        if result is not None
    )
