"""Checks of tensors before native code sees them, and the sentences that explain a failure."""

import torch
from torch import Tensor

from cliffnet.algebra import MAX_DENSE_DIM, Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, DeviceError, DTypeError, ShapeError
from cliffnet.functional._autocast import is_autocasting

FLOATING = frozenset((torch.float32, torch.float64, torch.bfloat16, torch.float16))


def check_algebra(algebra: object) -> None:
    """Refuse anything but an algebra."""
    if not isinstance(algebra, Algebra):
        raise AlgebraMismatchError(
            f"expected an Algebra as the last argument, got {type(algebra).__name__}; build one with Algebra(p, q, r)"
        )


def check_layout(layout: object, algebra: Algebra) -> None:
    """Refuse anything but a layout of the algebra."""
    if not isinstance(layout, Layout):
        raise AlgebraMismatchError(
            f"expected a Layout, got {type(layout).__name__}; make one with algebra.layout(...) or algebra.vectors"
        )
    if layout.algebra is not algebra:
        raise AlgebraMismatchError(
            f"the layout belongs to {layout.algebra!r}, expected one of {algebra!r}; make it with that algebra"
        )


def check_strided(tensor: object, name: str) -> None:
    """Refuse what is no tensor, and tensors that are not stored densely."""
    if not isinstance(tensor, Tensor):
        remedy = "pass its .tensor and .layout" if hasattr(tensor, "layout") else "convert it with torch.as_tensor"
        raise DTypeError(f"{name} is a {type(tensor).__name__}, expected a torch.Tensor; {remedy}")
    if tensor.layout is not torch.strided or tensor.is_nested:
        remedy = "torch.nested.to_padded_tensor" if tensor.is_nested else "x.to_dense()"
        stored = "nested" if tensor.is_nested else str(tensor.layout)
        raise DTypeError(f"{name} is stored as {stored}, expected a dense tensor; convert it with {remedy}")


def check_multivector(tensor: Tensor, algebra: Algebra, name: str = "the tensor", layout: Layout | None = None) -> None:
    """Refuse a tensor that does not hold floating multivectors of the algebra, or of a layout of it.

    Raises
    ------
    AlgebraMismatchError, DTypeError, ShapeError
        Naming what was given and what was expected.
    """
    check_algebra(algebra)
    check_strided(tensor, name)
    if tensor.dtype not in FLOATING:
        raise DTypeError(
            f"{name} has dtype {tensor.dtype}, expected float32, float64, bfloat16 or float16; convert it with .float()"
        )
    size = algebra.full.size if layout is None else layout.size
    if tensor.dim() == 0 or tensor.shape[-1] != size:
        if layout is None or layout.is_full:
            raise ShapeError(_wrong_blades(tensor, algebra, name))
        raise ShapeError(
            f"{name} has shape {tuple(tensor.shape)}, expected a last axis of {layout.size} for {layout!r}; move "
            "coefficients between layouts with F.change_layout"
        )


def _wrong_blades(tensor: Tensor, algebra: Algebra, name: str) -> str:
    shape = tuple(tensor.shape)
    if not shape:
        return f"{name} is 0-dimensional, but {algebra} needs a last axis of {algebra.num_blades} blades"
    message = f"{name} has shape {shape}: its last axis is {shape[-1]} but {algebra} has {algebra.num_blades} blades"
    fitting = _fitting_algebra(shape[-1], algebra)
    return f"{message}; did you mean {fitting}?" if fitting else f"{message}; pad or select blades to match"


def _fitting_algebra(blades: int, algebra: Algebra) -> str | None:
    """Name an algebra with that many blades, as close to the given one as the count allows."""
    if blades < 1 or blades & (blades - 1):
        return None
    dim = blades.bit_length() - 1
    if dim > MAX_DENSE_DIM:
        return None
    p, q, r = algebra.signature
    excess = p + q + r - dim
    if excess > 0:
        fewer_null = min(r, excess)
        fewer_negative = min(q, excess - fewer_null)
        p, q, r = p - (excess - fewer_null - fewer_negative), q - fewer_negative, r - fewer_null
    else:
        p -= excess
    return f"Cl({p},{q},{r})" if r else f"Cl({p},{q})"


def check_together(first: Tensor, second: Tensor, names: str) -> None:
    """Refuse two tensors on different devices or, outside autocast, of different dtypes."""
    if first.device != second.device:
        raise DeviceError(
            f"{names} are on {first.device} and {second.device}, expected one device; move one with .to()"
        )
    if first.dtype != second.dtype and not is_autocasting(first.device):
        raise DTypeError(f"{names} have dtypes {first.dtype} and {second.dtype}, expected one; convert one with .to()")


def check_pair(
    left: Tensor,
    right: Tensor,
    algebra: Algebra,
    left_layout: Layout | None = None,
    right_layout: Layout | None = None,
) -> None:
    """Refuse operands that cannot be multiplied; return when they can.

    Raises
    ------
    AlgebraMismatchError, DTypeError, DeviceError, ShapeError
        Naming what was given and what was expected.
    """
    check_multivector(left, algebra, "the left operand", left_layout)
    check_multivector(right, algebra, "the right operand", right_layout)
    check_together(left, right, "the operands")
    try:
        torch.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    except RuntimeError as error:
        raise ShapeError(
            f"leading shapes {tuple(left.shape[:-1])} and {tuple(right.shape[:-1])} do not broadcast; "
            "sizes must be equal or 1, aligned from the right"
        ) from error
