"""Algebras known by name, with the signed bases of the libraries that made the names common."""

from cliffnet.errors import SignatureError

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
