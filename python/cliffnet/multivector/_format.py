"""Multivectors as text."""

import math
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from cliffnet.algebra import Layout


def describe(tensor: Any, layout: Layout) -> str:
    """Return the text of a multivector with its algebra, layout and batch shape, one element a line."""
    facts = [f"{layout.algebra} {layout.describe()}"]
    if isinstance(tensor, Tensor):
        shape = tuple(tensor.shape[:-1])
        if shape:
            facts.append(f"batch {shape}")
        if tensor.dtype != torch.get_default_dtype():
            facts.append(str(tensor.dtype).removeprefix("torch."))
        if tensor.device.type != "cpu":
            facts.append(str(tensor.device))
        if tensor.requires_grad:
            facts.append("requires_grad")
    head = f"Multivector[{', '.join(facts)}]"
    if not has_values(tensor):
        return f"{head} ..."
    if not shape:
        return f"{head} {terms(tensor, layout)}"
    return "\n".join([head, *_rows(tensor, layout)])


def has_values(tensor: Any) -> bool:
    """Tell whether there are numbers to print, as there are not on the meta device and inside transforms."""
    return (
        isinstance(tensor, Tensor)
        and not isinstance(tensor, FakeTensor)
        and not tensor.is_meta
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def _rows(tensor: Tensor, layout: Layout) -> list[str]:
    """Return a line for each element, or for the first and last ones of many, as torch prints tensors."""
    options = torch._tensor_str.PRINT_OPTS
    indices = list(product(*map(range, tensor.shape[:-1])))
    edge = options.edgeitems
    summarized = tensor.numel() > options.threshold and len(indices) > 2 * edge
    shown = [*indices[:edge], None, *indices[-edge:]] if summarized else indices
    return [
        "..." if index is None else f"[{', '.join(map(str, index))}] {terms(tensor[index], layout)}" for index in shown
    ]


def terms(tensor: Tensor, layout: Layout) -> str:
    """Return one multivector as a sum of blades, such as ``1 + 0.5 e12 - 2 e0123``.

    Digits follow :func:`torch.set_printoptions`; zero coefficients are left out.
    """
    text = ""
    values: list[float] = tensor.detach().to("cpu", torch.float64).tolist()
    for value, name in zip(values, layout.blade_names, strict=True):
        if value == 0:
            continue
        size = number(abs(value))
        blade = size if name in ("1", "e") else name if size == "1" else f"{size} {name}"
        negative = value < 0
        if text:
            text += f" - {blade}" if negative else f" + {blade}"
        else:
            text = f"-{blade}" if negative else blade
    return text or "0"


def number(value: float) -> str:
    """Return a number with the precision that torch prints with."""
    options = torch._tensor_str.PRINT_OPTS
    precision = options.precision
    if not math.isfinite(value):
        return str(value)
    scientific = options.sci_mode
    if scientific is None:
        scientific = value != 0 and not 1e-3 <= abs(value) < 1e8
    if not scientific:
        text = f"{value:.{precision}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{value:.{precision}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"
