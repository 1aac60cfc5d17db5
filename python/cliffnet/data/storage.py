"""Tensors on disk: safetensors files that are complete, checked, or absent.

A file is written beside its final place, flushed to the disk and renamed, so a reader never sees half of it.
The metadata carries a SHA-256 of the tensor bytes, so a damaged file is recognised and never believed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from cliffnet._extras import require
from cliffnet._files import sync_folder, write_atomically
from cliffnet.errors import DataError

__all__ = ["load_tensors", "require", "save_tensors", "sync_folder", "write_atomically"]

_LENGTH_BYTES = 8  # a safetensors file starts with the length of its JSON header, little-endian
_METADATA_KEY = "cliffnet"


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
