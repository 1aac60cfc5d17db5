"""A folder of generated data sets, each keyed by everything that determines it."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from cliffnet import _env
from cliffnet.data.storage import load_tensors, save_tensors
from cliffnet.errors import CliffnetWarning, DataError

_FORMAT = "cliffnet-data"


def cache_dir() -> Path:
    """Return the folder for generated data.

    Returns
    -------
    Path
        ``$CLIFFNET_CACHE_DIR`` if set, else ``cliffnet`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    chosen = _env.read(_env.CACHE_DIR)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cliffnet"


def cached_tensors(
    name: str,
    parameters: Mapping[str, object],
    generate: Callable[[], dict[str, Tensor]],
    folder: Path | None = None,
) -> dict[str, Tensor]:
    """Return a generated data set, from the cache when a sound copy is there.

    Parameters
    ----------
    name : str
        Leads the file name.
    parameters : mapping of str to JSON value
        Everything that determines the data, the version of the generator included.
    generate : callable
        Makes the data when the cache cannot give it.
    folder : Path, optional
        Cache folder, :func:`cache_dir` by default.

    Returns
    -------
    dict of str to Tensor

    Warns
    -----
    CliffnetWarning
        If a cached file is malformed, truncated or foreign (it is made again), or if the cache cannot be written.
    """
    folder = cache_dir() if folder is None else folder
    key = json.dumps(dict(parameters), sort_keys=True)
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.safetensors"
    tensors = _read(path, key)
    if tensors is not None:
        return tensors
    tensors = generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(path, tensors, {"format": _FORMAT, "parameters": key})
    except OSError as error:
        warnings.warn(f"generated data could not be cached in {folder} ({error}); going on without", CliffnetWarning, 2)
    return tensors


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    """Return the tensors of a sound cache file, or None; warn about an unsound one."""
    try:
        tensors, metadata = load_tensors(path)
        if metadata.get("format") != _FORMAT or metadata.get("parameters") != key:
            raise DataError(f"{path} holds other data than its name says")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, DataError) as error:
        warnings.warn(f"{error}; generating it again", CliffnetWarning, stacklevel=3)
        return None
    return tensors
