"""Tensors on disk: safetensors files that are complete, checked, or absent.

A file is written beside its final place, flushed to the disk and renamed, so a reader never sees half of it.
The metadata carries a SHA-256 of the tensor bytes, so a damaged file is recognised and never believed.
"""

import hashlib
import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from cliffnet.errors import DataError, MissingDependencyError

__all__ = ["load_tensors", "require", "save_tensors", "write_atomically"]

_LENGTH_BYTES = 8  # a safetensors file starts with the length of its JSON header, little-endian
_METADATA_KEY = "cliffnet"


def require(module: str, extra: str = "train") -> Any:
    """Import a package of an optional extra.

    Parameters
    ----------
    module : str
        Dotted name, e.g. ``"safetensors.torch"``.
    extra : str
        The extra of cliffnet that installs it.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the package is not installed; the message says which command installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"this needs {module}, which could not be imported ({error}); "
            f'install it with: pip install "cliffnet[{extra}]"'
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that the file is either the old one or the whole new one.

    Parameters
    ----------
    path : Path
        Final place; its folder must exist.
    data : bytes
        Content.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; ``path`` is then as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as a safetensors file, atomically and with a checksum.

    Parameters
    ----------
    path : Path
        File to write.
    tensors : mapping of str to Tensor
        Any shapes and dtypes; copied to the CPU.
    metadata : mapping of str to str
        Stored in the header. The key ``sha256`` is added.
    """
    codec = require("safetensors.torch")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    body = _split(codec.save(plain))[1]
    # one entry, because safetensors writes several in random order and equal content should give equal files
    facts = json.dumps({**metadata, "sha256": hashlib.sha256(body).hexdigest()}, sort_keys=True)
    write_atomically(path, codec.save(plain, metadata={_METADATA_KEY: facts}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file written by :func:`save_tensors`.

    Parameters
    ----------
    path : Path
        File to read.

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU.
    metadata : dict of str to str
        As given to :func:`save_tensors`, plus ``sha256``.

    Raises
    ------
    DataError
        If the file is not a safetensors file, is truncated, carries no checksum or does not match it.
    FileNotFoundError
        If there is no such file.
    """
    codec = require("safetensors.torch")
    blob = path.read_bytes()
    try:
        header, body = _split(blob)
        metadata: dict[str, str] = json.loads(header.get("__metadata__", {}).get(_METADATA_KEY, "{}"))
        tensors: dict[str, Tensor] = codec.load(blob)
    except Exception as error:
        raise DataError(f"{path} is not a complete safetensors file ({error})") from error
    if "sha256" not in metadata:
        raise DataError(f"{path} has no checksum, so it was not written by cliffnet")
    if hashlib.sha256(body).hexdigest() != metadata["sha256"]:
        raise DataError(f"{path} is damaged: its content does not match its checksum")
    return tensors, metadata


def _split(blob: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the JSON header and the tensor bytes of a safetensors file."""
    length = int.from_bytes(blob[:_LENGTH_BYTES], "little")
    end = _LENGTH_BYTES + length
    if len(blob) < end:
        raise ValueError("the file ends inside its header")
    header = json.loads(blob[_LENGTH_BYTES:end])
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return header, memoryview(blob)[end:]
