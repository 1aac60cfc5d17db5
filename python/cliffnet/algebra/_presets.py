"""Algebras known by name, with the signed bases of the libraries that made the names common."""

from typing import TYPE_CHECKING, Any, Literal, cast

from cliffnet.algebra._names import parse_signature
from cliffnet.errors import ConfigError, SignatureError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

_Preset = tuple[tuple[int, int, int], str | None]

# the bases of ganja.js and kingdon, in which duals and sandwich products need the fewest signs
_PRESETS: dict[str, _Preset] = {
    "VGA2D": ((2, 0, 0), None),
    "VGA3D": ((3, 0, 0), None),
    "STA": ((1, 3, 0), None),
    "2DPGA": ((2, 0, 1), "1 e1 e2 e0 e20 e01 e12 e012"),
    "3DPGA": ((3, 0, 1), "1 e1 e2 e3 e0 e01 e02 e03 e12 e31 e23 e032 e013 e021 e123 e0123"),
    "STAP": (
        (3, 1, 1),
        "1 e0 e1 e2 e3 e4 e01 e02 e03 e40 e12 e31 e23 e41 e42 e43 e234 e314 e124 e123 e014 e024 e034 e032 e013 e021 "
        "e0324 e0134 e0214 e0123 e1234 e01234",
    ),
    "CGA2D": ((3, 1, 0), None),
    "CGA3D": ((4, 1, 0), None),
}


def preset(name: str) -> tuple[tuple[int, int, int], list[str] | None]:
    """Return the signature and the basis of a named algebra.

    Raises
    ------
    SignatureError
        If no algebra has the name.
    """
    if name not in _PRESETS:
        raise SignatureError(f"no algebra is called {name!r}; known are {', '.join(_PRESETS)}, or write 'Cl(p,q,r)'")
    signature, basis = _PRESETS[name]
    return signature, basis.split() if basis is not None else None


def preset_names() -> tuple[str, ...]:
    """Return the names that :meth:`cliffnet.Algebra.from_name` knows."""
    return tuple(_PRESETS)


def preset_name(signature: tuple[int, int, int], basis: tuple[str, ...] | None) -> str | None:
    """Return the name of the preset with a signed basis of its own, if there is one."""
    for name, (known_signature, known_basis) in _PRESETS.items():
        if known_basis is not None and known_signature == signature and basis == tuple(known_basis.split()):
            return name
    return None


class Presets:
    """Algebras in common use, as class methods."""

    @classmethod
    def _make(cls, *signature: int, **options: Any) -> "Algebra":
        return cast("type[Algebra]", cls)(*signature, **options)

    @classmethod
    def from_string(cls, text: str) -> "Algebra":
        """Return the algebra written ``"Cl(p,q,r)"``."""
        return cls._make(*parse_signature(text))

    @classmethod
    def vga(cls, n: int) -> "Algebra":
        """Return the algebra of n-dimensional Euclidean vectors, Cl(n)."""
        return cls._make(n)

    @classmethod
    def pga(cls, n: int) -> "Algebra":
        """Return the projective algebra of n-dimensional Euclidean space, Cl(n,0,1)."""
        return cls._make(n, 0, 1)

    @classmethod
    def cga(cls, n: int) -> "Algebra":
        """Return the conformal algebra of n-dimensional Euclidean space, Cl(n+1,1)."""
        return cls._make(n + 1, 1)

    @classmethod
    def sta(cls, convention: Literal["+---", "-+++"] = "+---") -> "Algebra":
        """Return the spacetime algebra, time first: Cl(1,3), or its metric with all signs changed."""
        if convention not in ("+---", "-+++"):
            raise ConfigError(f"the convention is {convention!r}, expected '+---' or '-+++'")
        return cls._make(1, 3) if convention == "+---" else cls._make(metric=(-1.0, 1.0, 1.0, 1.0))

    @classmethod
    def complex(cls) -> "Algebra":
        """Return the complex numbers, Cl(0,1)."""
        return cls._make(0, 1)

    @classmethod
    def split_complex(cls) -> "Algebra":
        """Return the split-complex numbers, Cl(1,0)."""
        return cls._make(1)

    @classmethod
    def dual_numbers(cls) -> "Algebra":
        """Return the dual numbers, Cl(0,0,1)."""
        return cls._make(0, 0, 1)

    @classmethod
    def quaternions(cls) -> "Algebra":
        """Return the quaternions, Cl(0,2), with units ``e1``, ``e2`` and ``e12``."""
        return cls._make(0, 2)

    @classmethod
    def dual_quaternions(cls) -> "Algebra":
        """Return the dual quaternions, Cl(0,2,1), isomorphic to the even part of Cl(3,0,1)."""
        return cls._make(0, 2, 1)

    @classmethod
    def exterior(cls, n: int) -> "Algebra":
        """Return the exterior algebra of n generators, Cl(0,0,n)."""
        return cls._make(0, 0, n)

    @classmethod
    def from_name(cls, name: str) -> "Algebra":
        """Return an algebra known by name, with the signed basis that ganja.js and kingdon give it.

        Parameters
        ----------
        name : str
            ``"2DPGA"``, ``"3DPGA"``, ``"STAP"``, ``"VGA2D"``, ``"VGA3D"``, ``"STA"``, ``"CGA2D"``, ``"CGA3D"`` or
            ``"Cl(p,q,r)"``.

        Raises
        ------
        SignatureError
            If no algebra has the name.

        Examples
        --------
        >>> from cliffnet import Algebra
        >>> Algebra.from_name("3DPGA").blade_names[8:11]
        ('e12', 'e31', 'e23')
        """
        if isinstance(name, str) and name.lstrip().startswith("Cl("):
            return cls.from_string(name)
        signature, basis = preset(name)
        return cls._make(*signature, basis=basis)
