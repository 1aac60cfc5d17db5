"""Closeness up to the rounding of double precision."""

import functools

import torch

assert_close = functools.partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
