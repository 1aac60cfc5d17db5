"""Making multivectors from an algebra.

Packages import downwards only, so the type of multivectors is handed in by :mod:`cliffnet.multivector` when it is
imported, which ``import cliffnet`` does.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant, kept_object
from cliffnet.algebra._layout import Layout
from cliffnet.algebra._standard_layouts import _BY_KEY
from cliffnet.errors import ConfigError, DTypeError, LayoutError, NotInvertibleError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra
    from cliffnet.multivector import Multivector

_DType = torch.dtype | None
_Size = int | Sequence[int]
_Device = torch.device | str | None

# the type of multivectors and the functions that make them, by name
_provided: dict[str, Any] = {}


def provide(**makers: Any) -> None:
    """Take the type of multivectors and the functions that make them."""
    _provided.update(makers)


class Constructors:
    """Multivectors of an algebra.

    Every method takes ``dtype`` and ``device`` as torch's own constructors do, and batch shapes as numbers or a tuple.
    """

    full: Layout

    @property
    def _own(self) -> "Algebra":
        return cast("Algebra", self)

    def multivector(
        self, values: Any, layout: Layout | None = None, *, dtype: _DType = None, device: _Device = None
    ) -> "Multivector":
        """Return multivectors with given coefficients.

        Parameters
        ----------
        values : Tensor or nested sequence of float
            Shape ``(*batch, layout.size)``. A tensor is not copied unless its dtype or device changes; integers become
            the default dtype.
        layout : Layout, optional
            The blades of the last axis; all of them if omitted.
        dtype, device : optional
            Those of the values if omitted.

        Raises
        ------
        ShapeError
            If the last axis does not have one entry per blade.
        """
        chosen = self.full if layout is None else layout
        if isinstance(chosen, Layout) and chosen.algebra is not self:
            raise LayoutError(f"{chosen!r} is no layout of {self}; take one of its own, such as algebra.even")
        return cast("Multivector", _provided["Multivector"](_tensor(values, dtype, device), chosen))

    def scalar(self, values: Any, *, dtype: _DType = None, device: _Device = None) -> "Multivector":
        """Return scalars, of the shape of the values."""
        return self.multivector(_tensor(values, dtype, device).unsqueeze(-1), self._own.scalars)

    def vector(self, values: Any, *, dtype: _DType = None, device: _Device = None) -> "Multivector":
        """Return vectors with the coefficients of the generators, shape ``(*batch, dim)``."""
        return self.multivector(values, self._own.vectors, dtype=dtype, device=device)

    def bivector(self, values: Any, *, dtype: _DType = None, device: _Device = None) -> "Multivector":
        """Return bivectors with the coefficients of the blades of grade 2, in the order of ``algebra.bivectors``."""
        return self.multivector(values, self._own.bivectors, dtype=dtype, device=device)

    def blade(self, name: str, *, dtype: _DType = None, device: _Device = None) -> "Multivector":
        """Return a basis blade; ``algebra.e31`` is ``algebra.blade("e31")``.

        Raises
        ------
        BladeError
            If the algebra has no such blade.
        """
        layout, sign = _blade_layout(self._own.key, name), _blade_sign(self._own.key, name)
        return self.multivector([sign], layout, dtype=dtype, device=device)

    @property
    def I(self) -> "Multivector":  # noqa: E743  # what the field calls it
        """The unit pseudoscalar, with the sign that the basis gives it."""
        return self.multivector([1.0], self._own.pseudoscalars)

    def zeros(
        self, *shape: _Size, layout: Layout | None = None, dtype: _DType = None, device: _Device = None
    ) -> "Multivector":
        """Return zeros of a batch shape, on all blades unless a layout is given."""
        chosen = self.full if layout is None else layout
        return self.multivector(torch.zeros(*batch_shape(shape), chosen.size, dtype=dtype, device=device), chosen)

    def ones(
        self, *shape: _Size, layout: Layout | None = None, dtype: _DType = None, device: _Device = None
    ) -> "Multivector":
        """Return the number one for a batch shape, as scalars unless a layout that holds them is given."""
        ones = self.scalar(torch.ones(batch_shape(shape), dtype=dtype, device=device))
        return ones if layout is None else ones.change_layout(layout)

    def randn(
        self,
        *shape: _Size,
        layout: Layout | None = None,
        generator: torch.Generator | None = None,
        dtype: _DType = None,
        device: _Device = None,
    ) -> "Multivector":
        """Return multivectors with independent standard normal coefficients, on all blades unless a layout is given."""
        chosen = self.full if layout is None else layout
        values = torch.randn(*batch_shape(shape), chosen.size, generator=generator, dtype=dtype, device=device)
        return self.multivector(values, chosen)

    def random_rotor(
        self,
        *shape: _Size,
        generator: torch.Generator | None = None,
        dtype: _DType = None,
        device: _Device = None,
    ) -> "Multivector":
        """Return the exponentials of bivectors with independent standard normal coefficients, halved.

        Notes
        -----
        They lie in the connected component of the identity, translations included. In Cl(n) every orientation is
        reached, but the distribution is not the uniform one.
        """
        bivectors = self.randn(*shape, layout=self._own.bivectors, generator=generator, dtype=dtype, device=device)
        return (0.5 * bivectors).exp()

    def random_versor(
        self,
        *shape: _Size,
        parity: Literal["even", "odd"] = "even",
        generator: torch.Generator | None = None,
        dtype: _DType = None,
        device: _Device = None,
    ) -> "Multivector":
        """Return products of unit vectors: ``n`` or ``n - 1`` of them, at least one or two.

        Parameters
        ----------
        *shape : int
            Batch shape.
        parity : {"even", "odd"}
            Parity of the number of vectors.
        generator : torch.Generator, optional
            Source of randomness.
        dtype, device : optional
            The defaults of torch if omitted.

        Raises
        ------
        NotInvertibleError
            If all generators are null, so that no vector has an inverse.

        Notes
        -----
        Unlike rotors, the products of two vectors of opposite square leave the component of the identity. Vectors
        stay away from the null cone; in a degenerate metric they have null parts, so that versors translate too.
        """
        if parity not in ("even", "odd"):
            raise ConfigError(f"the parity is {parity!r}, expected 'even' or 'odd'")
        dim, odd = self._own.dim, parity == "odd"
        count = max(dim - ((dim % 2 == 1) != odd), 1 if odd else 2)
        versor: Multivector | None = None
        for _ in range(count):
            vector = self._unit_vector(batch_shape(shape), generator, dtype, device)
            versor = vector if versor is None else versor * vector
        return cast("Multivector", versor).change_layout(self._own.odd if odd else self._own.even)

    def _unit_vector(
        self, shape: tuple[int, ...], generator: torch.Generator | None, dtype: _DType, device: _Device
    ) -> "Multivector":
        """Return vectors of square 1 or -1: normal coefficients, those of the other sign at most half as long."""
        metric = torch.tensor(self._own.metric, dtype=torch.get_default_dtype() if dtype is None else dtype)
        metric = metric.to(device)
        if not metric.any():
            raise NotInvertibleError(f"{self} has no versors of vectors: all its generators are null")
        normal = torch.randn(*shape, self._own.dim, generator=generator, dtype=dtype, device=device)
        lengths = {sign: (metric.mul(sign).clamp(min=0) * normal**2).sum(-1, keepdim=True).sqrt() for sign in (1, -1)}
        longer = lengths[1] >= lengths[-1]
        length = torch.maximum(lengths[1], lengths[-1])
        other = torch.minimum(lengths[1], lengths[-1])
        minor = torch.where(longer, metric < 0, metric > 0)
        values = torch.where(minor, normal * (length / (2 * other.clamp(min=length / 2))), normal)
        square = (metric * values**2).sum(-1, keepdim=True)
        return self.multivector(values / square.abs().sqrt(), self._own.vectors)

    def from_quaternion(
        self,
        quaternion: Any,
        *,
        order: Literal["wxyz", "xyzw"] = "wxyz",
        dtype: _DType = None,
        device: _Device = None,
    ) -> "Multivector":
        """Return the rotors that turn vectors as quaternions do; see :func:`cliffnet.functional.rotor_from_quaternion`.

        Parameters
        ----------
        quaternion : Tensor or nested sequence of float
            Shape ``(*batch, 4)``.
        order : {"wxyz", "xyzw"}
            Where the real part stands.
        dtype, device : optional
            Those of the values if omitted.
        """
        rotor_from_quaternion, even = _provided["rotor_from_quaternion"], self._own.even
        values = rotor_from_quaternion(_tensor(quaternion, dtype, device), self._own, order=order, out_layout=even)
        return self.multivector(values, even)

    def from_rotation_matrix(self, matrix: Any, *, dtype: _DType = None, device: _Device = None) -> "Multivector":
        """Return the rotors of rotation matrices, up to sign; see :func:`cliffnet.functional.rotor_from_matrix`.

        Parameters
        ----------
        matrix : Tensor or nested sequence of float
            Shape ``(*batch, dim, dim)``, rows and columns in the order of ``algebra.vectors``.
        dtype, device : optional
            Those of the values if omitted.
        """
        even = self._own.even
        values = _provided["rotor_from_matrix"](_tensor(matrix, dtype, device), self._own, out_layout=even)
        return self.multivector(values, even)

    def rotor_from_vectors(self, a: "Multivector", b: "Multivector") -> "Multivector":
        """Return the rotors from one vector towards another; see :func:`cliffnet.functional.rotor_from_vectors`.

        Parameters
        ----------
        a, b : Multivector
            Vectors of this algebra with squares of the same sign.
        """
        vectors, even = self._own.vectors, self._own.even
        for end in (a, b):
            if not isinstance(end, _provided["Multivector"]):
                raise DTypeError(f"expected multivectors, got a {type(end).__name__}; make them with algebra.vector")
        ends = [end.change_layout(vectors).tensor for end in (a, b)]
        values = _provided["rotor_from_vectors"](*ends, self._own, layout=vectors, out_layout=even)
        return self.multivector(values, even)

    def parse(
        self, text: str, *, layout: Layout | None = None, dtype: _DType = None, device: _Device = None
    ) -> "Multivector":
        """Read a multivector from text such as ``"1 + 0.5 e12 - 2 e0123"``; see :func:`cliffnet.parse`."""
        return cast("Multivector", _provided["parse"](text, self, layout=layout, dtype=dtype, device=device))


def batch_shape(shape: tuple[_Size, ...]) -> tuple[int, ...]:
    """Return a batch shape that was given as numbers or as one sequence of them, as torch takes sizes."""
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        return tuple(shape[0])
    return cast("tuple[int, ...]", shape)


def _tensor(values: Any, dtype: _DType, device: _Device) -> Tensor:
    """Return values as a floating tensor; integers take the default dtype."""
    if isinstance(values, _provided["Multivector"]):
        raise DTypeError(
            "the values are a multivector, expected coefficients; mv.change_layout(layout) moves it to other blades, "
            "and mv.embed(algebra) to another algebra"
        )
    tensor = torch.as_tensor(values, dtype=dtype, device=device)
    if dtype is None and not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.to(torch.get_default_dtype())
    return tensor


@kept_object
def _blade_layout(key: str, name: str) -> Layout:
    """Return the layout of one blade, with the sign that the algebra gives it."""
    algebra = _BY_KEY[key]
    return algebra.layout_of_masks([algebra.blade_mask(name)[0]])


@kept_constant
def _blade_sign(key: str, name: str) -> float:
    """Return the sign of a named blade against the algebra's own."""
    algebra = _BY_KEY[key]
    mask, sign = algebra.blade_mask(name)
    return float(sign * algebra.blade_name(mask)[1])
