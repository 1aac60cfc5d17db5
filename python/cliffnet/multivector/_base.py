"""What a multivector holds: a tensor of coefficients and the layout of its blades."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, overload

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.algebra._constructors import batch_shape
from cliffnet.errors import AlgebraMismatchError, BladeError, DTypeError, ShapeError
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._layouts import move
from cliffnet.multivector import _layouts


class MultivectorBase:
    """Storage, batch indexing and coefficients; see :class:`Multivector`."""

    __slots__ = ("__weakref__", "_layout", "_tensor")

    # numpy's scalars and arrays leave operators to the class
    __array_ufunc__ = None

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        """Refuse: arrays do not know blades.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            "a multivector does not turn into a NumPy array by itself; mv.numpy() returns its coefficients, blades last"
        )

    _layout: Layout
    _tensor: Tensor

    def __init__(self, tensor: Tensor, layout: Layout) -> None:
        if not isinstance(layout, Layout):
            raise AlgebraMismatchError(
                f"expected a Layout as the second argument, got {type(layout).__name__}; "
                "take one from an algebra, such as algebra.full or algebra.layout('e12')"
            )
        check_multivector(tensor, layout.algebra, layout=layout)
        self._tensor = tensor
        self._layout = layout

    @classmethod
    def _make(cls, tensor: Any, layout: Layout) -> Self:
        """Return a multivector without checks, also around what stands in for a tensor in a transformed program."""
        made = object.__new__(cls)
        made._tensor = tensor
        made._layout = layout
        return made

    @property
    def tensor(self) -> Tensor:
        """The coefficients, of shape ``(*shape, layout.size)``."""
        return self._tensor

    @property
    def layout(self) -> Layout:
        """The blades of the last axis of :attr:`tensor`."""
        return self._layout

    @property
    def algebra(self) -> Algebra:
        """The algebra of the blades."""
        return self._layout.algebra

    @property
    def shape(self) -> torch.Size:
        """The batch shape, without the axis of blades."""
        return self._tensor.shape[:-1]

    @property
    def ndim(self) -> int:
        """Number of batch axes."""
        return self._tensor.dim() - 1

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the coefficients."""
        return self._tensor.dtype

    @property
    def device(self) -> torch.device:
        """The device of the coefficients."""
        return self._tensor.device

    @property
    def requires_grad(self) -> bool:
        """Whether the coefficients take part in differentiation."""
        return self._tensor.requires_grad

    @property
    def grad(self) -> Self | None:
        """The gradient of a leaf, coefficient by coefficient, on the same layout."""
        return None if self._tensor.grad is None else self._make(self._tensor.grad, self._layout)

    def dim(self) -> int:
        """Return the number of batch axes."""
        return self.ndim

    @overload
    def size(self) -> torch.Size: ...

    @overload
    def size(self, dim: int) -> int: ...

    def size(self, dim: int | None = None) -> torch.Size | int:
        """Return the batch shape, or the size of a batch axis."""
        return self.shape if dim is None else self.shape[self._axis(dim)]

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Record operations on the coefficients; in place, as for a tensor."""
        self._tensor.requires_grad_(requires_grad)
        return self

    def backward(self, *arguments: Any, **keywords: Any) -> None:
        """Refuse: a gradient starts from a scalar, such as a coefficient or a norm.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("a multivector has no backward(); differentiate a scalar such as mv.norm_squared().sum()")

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the multivector whose coefficients are a function of these.

        Parameters
        ----------
        function : callable
            Takes and returns a tensor; it may change the batch axes but not the last one.

        Raises
        ------
        ShapeError
            If the last axis no longer has one entry per blade.

        Notes
        -----
        Only functions that treat all blades alike, such as a reshape of the batch or a scaling, are equivariant.
        """
        return type(self)(function(self._tensor), self._layout)

    def to(self, *arguments: Any, **keywords: Any) -> Self:
        """Convert dtype or device, with the arguments of :meth:`torch.Tensor.to`."""
        return type(self)(self._tensor.to(*arguments, **keywords), self._layout)

    def cpu(self) -> Self:
        """Return the multivector in main memory."""
        return self.to("cpu")

    def cuda(self, device: torch.device | int | str | None = None) -> Self:
        """Return the multivector on a CUDA device."""
        return self._make(self._tensor.cuda(device), self._layout)

    def float(self) -> Self:
        """Return the multivector in single precision."""
        return self.to(torch.float32)

    def half(self) -> Self:
        """Return the multivector in half precision."""
        return self.to(torch.float16)

    def bfloat16(self) -> Self:
        """Return the multivector in bfloat16."""
        return self.to(torch.bfloat16)

    def double(self) -> Self:
        """Return the multivector in double precision."""
        return self.to(torch.float64)

    def detach(self) -> Self:
        """Return the multivector without its history of operations."""
        return self._make(self._tensor.detach(), self._layout)

    def clone(self) -> Self:
        """Return a differentiable copy."""
        return self._make(self._tensor.clone(), self._layout)

    def contiguous(self) -> Self:
        """Return the multivector with its coefficients stored in order."""
        return self._make(self._tensor.contiguous(), self._layout)

    def pin_memory(self, device: torch.device | str | None = None) -> Self:
        """Return the multivector in page-locked memory, as data loaders ask for."""
        return self._make(self._tensor.pin_memory(device), self._layout)

    def numpy(self) -> Any:
        """Return the coefficients as a NumPy array that shares their memory."""
        return self._tensor.numpy()

    def reshape(self, *shape: int | Sequence[int]) -> Self:
        """Return the multivector with another batch shape."""
        return self._make(self._tensor.reshape(*batch_shape(shape), self._layout.size), self._layout)

    def expand(self, *shape: int | Sequence[int]) -> Self:
        """Return the multivector repeated, without copies, to a batch shape."""
        return self._make(self._tensor.expand(*batch_shape(shape), self._layout.size), self._layout)

    def unsqueeze(self, dim: int) -> Self:
        """Return the multivector with a new batch axis of size 1."""
        return self._make(self._tensor.unsqueeze(self._axis(dim, self.ndim + 1)), self._layout)

    def squeeze(self, dim: int) -> Self:
        """Return the multivector without a batch axis of size 1; other sizes stay."""
        return self._make(self._tensor.squeeze(self._axis(dim)), self._layout)

    def dense(self) -> Self:
        """Return the multivector on all blades of the algebra, zeros included."""
        return self.change_layout(self.algebra.full)

    def change_layout(self, layout: Layout, *, project: bool = False) -> Self:
        """Return the multivector on another layout.

        Parameters
        ----------
        layout : Layout
            Of the same algebra.
        project : bool
            Drop the blades that it lacks, instead of refusing.

        Raises
        ------
        LayoutError
            If the layout lacks a blade and ``project`` is not set.
        """
        if layout is self._layout:
            return self
        return self._make(F.change_layout(self._tensor, self._layout, layout, project=project), layout)

    def _moved(self, layout: Layout) -> Self:
        """Return the multivector on a layout of the same algebra, dropping what it lacks."""
        return self._make(move(self._tensor, self._layout, layout), layout)

    def grade(self, *grades: int) -> Self:
        """Return the part of some grades, on a layout that holds only them.

        Raises
        ------
        GradeError
            If the algebra has no such grade.
        """
        for grade in grades:
            self.algebra.check_grade(grade)
        return self._moved(self._layout.of_grades(grades))

    def __call__(self, *grades: int) -> Self:
        """Return the part of some grades: ``mv(2)`` is ``mv.grade(2)``."""
        return self.grade(*grades)

    def coefficient(self, name: str) -> Tensor:
        """Return the coefficient of a blade, of the batch shape.

        Parameters
        ----------
        name : str
            Such as ``"e31"``, which is minus the coefficient of ``e13``; ``"1"`` or ``"e"`` for the scalar part. Zero
            for a blade that the layout does not hold.

        Raises
        ------
        BladeError
            If the algebra has no such blade.
        """
        found = _layouts.coefficient(self._layout.key, name)
        if found is None:
            return self._tensor.new_zeros(self.shape)
        position, sign = found
        value = self._tensor[..., position]
        return value if sign == 1 else -value

    def __getattr__(self, name: str) -> Tensor:
        # reached only by names that are no attribute: those of blades, such as mv.e31
        if name.startswith("e") and not name.startswith("__"):
            try:
                return self.coefficient(name)
            except BladeError as error:
                raise AttributeError(f"a multivector has no attribute '{name}' ({error})") from error
        raise AttributeError(
            f"a multivector has no attribute '{name}'; functions of tensors act on mv.tensor, or on mv.map(function)"
        )

    def __getitem__(self, index: Any) -> Any:
        """Return the coefficient of a named blade, or index the batch."""
        if isinstance(index, str):
            return self.coefficient(index)
        indices = index if isinstance(index, tuple) else (index,)
        if not any(entry is Ellipsis for entry in indices):
            indices = (*indices, Ellipsis)
        return self._make(self._tensor[(*indices, slice(None))], self._layout)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Refuse: multivectors are immutable.

        Raises
        ------
        TypeError
            Always.
        """
        if isinstance(index, str):
            advice = f"add what changes, mv + (value - mv[{index!r}]) * algebra.blade({index!r})"
        else:
            advice = "choose between elements with torch.where, or join them with torch.cat"
        raise TypeError(
            f"multivectors are immutable; {advice}, or write into a copy of mv.tensor and pass it to "
            "algebra.multivector(tensor, mv.layout)"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a multivector without batch axes has no length; its coefficients are mv.tensor")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Self]:
        for tensor in self._tensor if self.shape else self._refuse_iteration():
            yield self._make(tensor, self._layout)

    def _refuse_iteration(self) -> list[Tensor]:
        raise TypeError("a multivector without batch axes cannot be iterated over")

    def __bool__(self) -> bool:
        if torch._guards.TracingContext.try_get() is not None:
            # the compiler of torch before 2.12 asks the objects that it traces, and goes on with those that are true
            return True
        raise TypeError("a multivector has no truth value; compare it with isclose() or ==, and reduce with .all()")

    def _axis(self, dim: int, axes: int | None = None) -> int:
        """Return a batch axis, possibly counted from the end, as one counted from the front."""
        count = self.ndim if axes is None else axes
        if not -count <= dim < count:
            raise IndexError(f"axis {dim} is none of the {count} batch axes; the axis of blades is not counted")
        return dim % count

    def _check_same_algebra(self, other: "MultivectorBase") -> None:
        if other.algebra is not self.algebra:
            raise AlgebraMismatchError(
                f"the multivectors belong to {self.algebra!r} and {other.algebra!r}, expected one algebra; "
                "move one over with mv.embed(algebra)"
            )


def check_broadcast(first: torch.Size, second: torch.Size) -> None:
    """Refuse batch shapes that do not fit each other."""
    try:
        torch.broadcast_shapes(first, second)
    except RuntimeError as error:
        raise ShapeError(
            f"batch shapes {tuple(first)} and {tuple(second)} do not broadcast; "
            "sizes must be equal or 1, aligned from the right"
        ) from error


def check_values(values: Tensor) -> None:
    """Refuse a tensor that cannot scale a multivector."""
    if values.is_complex():
        raise DTypeError(f"the tensor has dtype {values.dtype}, expected real numbers; coefficients are real")
