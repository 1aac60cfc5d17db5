"""Multivectors in safetensors files, with their algebras and layouts in the metadata.

Every tensor of the file has an entry under three keys of the metadata, each a JSON object by the name of the tensor:

``cliffnet.metric``
    The squares of the generators.
``cliffnet.basis``
    The names of the generators, and those of all blades where the algebra has a basis of its own, else null.
``cliffnet.layout``
    The names of the blades of the last axis.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cliffnet._extras import require
from cliffnet._files import write_atomically
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import CliffnetError, DataError
from cliffnet.multivector import Multivector

_METRIC, _BASIS, _LAYOUT, _DIGEST = "cliffnet.metric", "cliffnet.basis", "cliffnet.layout", "cliffnet.sha256"
_ALONE = "multivector"
_LENGTH_BYTES = 8  # a safetensors file starts with the length of its JSON header, little-endian


def save(path: str | Path, multivectors: Multivector | Mapping[str, Multivector]) -> None:
    """Write multivectors to a safetensors file.

    Parameters
    ----------
    path : str or Path
        File to write; it is replaced only when the new one is complete.
    multivectors : Multivector or mapping of str to Multivector
        One, or several by name. Coefficients are copied to the CPU; their dtype is kept, their history is not.

    Raises
    ------
    MissingDependencyError
        If safetensors is not installed.
    TypeError
        If a value is no multivector, or a name no text that the format allows.
    OSError
        If the file cannot be written.

    Notes
    -----
    Equal multivectors give equal files. Other programs read the coefficients as plain tensors of the same names.
    """
    codec = require("safetensors.torch", "io")
    named = {_ALONE: multivectors} if isinstance(multivectors, Multivector) else multivectors
    if not isinstance(named, Mapping):
        raise TypeError(f"expected a Multivector or a mapping of names to them, got {type(named).__name__}")
    for name, value in named.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(
                f"a multivector is called {name!r}, expected text other than the '__metadata__' of the format"
            )
        if not isinstance(value, Multivector):
            raise TypeError(
                f"'{name}' is a {type(value).__name__}, expected a Multivector; plain tensors need no layout"
            )
    facts = {
        _METRIC: {name: list(value.algebra.metric) for name, value in named.items()},
        _BASIS: {name: _basis(value.algebra) for name, value in named.items()},
        _LAYOUT: {name: list(value.layout.blade_names) for name, value in named.items()},
    }
    # clones, because the format has no place for shared or strided memory
    tensors = {name: value.tensor.detach().cpu().contiguous().clone() for name, value in named.items()}
    header, body = _split(codec.save(tensors))
    header["__metadata__"] = {
        **{key: json.dumps(value, sort_keys=True) for key, value in facts.items()},
        "cliffnet.alone": json.dumps(isinstance(multivectors, Multivector)),
    }
    header["__metadata__"][_DIGEST] = _digest(header, body)
    # written by hand, because safetensors orders metadata at random
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    write_atomically(Path(path), len(text).to_bytes(_LENGTH_BYTES, "little") + text + bytes(body))


def load(path: str | Path, *, device: torch.device | str = "cpu") -> Multivector | dict[str, Multivector]:
    """Read what :func:`save` wrote.

    Parameters
    ----------
    path : str or Path
        File to read.
    device : device
        Where to put the coefficients.

    Returns
    -------
    Multivector or dict of str to Multivector
        As it was saved; names in alphabetical order.

    Raises
    ------
    DataError
        If the file is no safetensors file, truncated or damaged, or does not say which algebras and blades it holds,
        or its shapes contradict them.
    MissingDependencyError
        If safetensors is not installed.
    FileNotFoundError
        If there is no such file.
    """
    codec = require("safetensors.torch", "io")
    path = Path(path)
    blob = path.read_bytes()
    try:
        header, body = _split(blob)
        metadata: dict[str, str] = header.get("__metadata__", {})
        tensors: dict[str, torch.Tensor] = codec.load(blob)
    except Exception as error:
        raise DataError(f"{path} is not a complete safetensors file ({error})") from error
    if not {_METRIC, _BASIS, _LAYOUT, _DIGEST} <= metadata.keys():
        raise DataError(
            f"{path} does not say which algebra its tensors belong to; expected metadata such as {_METRIC}, as "
            "cliffnet.io.save writes it. Read it with safetensors and wrap its tensors with algebra.multivector"
        )
    read = {name: _wrapped(path, name, tensors[name].to(device), metadata) for name in sorted(tensors)}
    # afterwards, because a contradiction says more than a checksum does
    if _digest(header, body) != metadata[_DIGEST]:
        raise DataError(f"{path} is damaged: its content does not match its checksum")
    return read[_ALONE] if metadata.get("cliffnet.alone") == "true" and _ALONE in read else read


def _basis(algebra: Algebra) -> dict[str, Any]:
    blades = algebra._custom_basis
    return {"generators": list(algebra.generator_labels), "blades": None if blades is None else list(blades)}


def _wrapped(path: Path, name: str, tensor: torch.Tensor, metadata: Mapping[str, str]) -> Multivector:
    """Put a tensor on the layout that the metadata names."""
    try:
        metric, basis, blades = (json.loads(metadata[key])[name] for key in (_METRIC, _BASIS, _LAYOUT))
        layout: Layout = Algebra(metric=metric, names=basis["generators"], basis=basis["blades"]).layout(*blades)
        return Multivector(tensor, layout)
    except (CliffnetError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"'{name}' in {path} is no multivector: {error}") from error


def _digest(header: Mapping[str, Any], body: memoryview) -> str:
    """Return the checksum of everything in a file but the checksum."""
    metadata = {key: value for key, value in header["__metadata__"].items() if key != _DIGEST}
    digest = hashlib.sha256(json.dumps({**header, "__metadata__": metadata}, sort_keys=True).encode())
    digest.update(body)
    return digest.hexdigest()


def _split(blob: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the JSON header and the tensor bytes of a safetensors file."""
    end = _LENGTH_BYTES + int.from_bytes(blob[:_LENGTH_BYTES], "little")
    if len(blob) < max(end, _LENGTH_BYTES + 2):
        raise ValueError("the file ends inside its header")
    header = json.loads(blob[_LENGTH_BYTES:end])
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return header, memoryview(blob)[end:]
