"""Where the CUDA kernels find the driver, the compiler and their cache.

Kernels are compiled when they are first needed, by NVRTC, which comes with the CUDA build of torch. Importing cliffnet
touches neither NVRTC nor the driver: it only tells where they would be.
"""

import os
import sys
from functools import cache
from pathlib import Path

import torch

from cliffnet import _env, _rust
from cliffnet._log import logger, warn_once
from cliffnet.errors import BackendUnavailableError, ConfigError
from cliffnet.ops._backend import active_backend

Places = list[tuple[bool, str]]
"""Places of a library, in the order to look: whether it must be loaded already, and its name or path."""

DRIVER: Places = [(True, "libcuda.so.1"), (False, "libcuda.so.1")]


def compiler_places(cuda: str, folders: list[str]) -> Places:
    """Return where NVRTC may be, of the major version that torch was built with.

    A toolkit that happens to be installed is not among the places unless the loader is told of it.

    Parameters
    ----------
    cuda : str
        Version of CUDA that torch was built with.
    folders : list of str
        Where Python finds packages.
    """
    major = cuda.split(".")[0]
    name = f"libnvrtc.so.{major}"
    # wheels for CUDA 12 have a folder for each library, later ones a folder for all
    inside = (f"nvidia/cu{major}/lib", "nvidia/cuda_nvrtc/lib")
    files = [Path(folder, *part.split("/"), name) for folder in folders for part in inside]
    return [(True, name), *((False, str(file)) for file in files if file.is_file()), (False, name)]


def cache_folder() -> str | None:
    """Return the folder of compiled kernels, or None where the user has no home."""
    chosen = _env.read(_env.CACHE_DIR)
    if chosen:
        return str(Path(chosen).expanduser() / "cuda")
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return str((Path(base) if base else Path.home() / ".cache") / "cliffnet" / "cuda")
    except RuntimeError:
        return None


def is_tuning() -> bool:
    """Tell whether the threads of blocks are to be chosen by measuring."""
    asked = _env.read(_env.AUTOTUNE)
    if asked not in ("", "0", "1"):
        raise ConfigError(f"CLIFFNET_AUTOTUNE is '{asked}', expected 0 or 1; unset it for the table")
    return asked == "1"


@cache
def cuda_operators() -> frozenset[str]:
    """Return the names of the operators that have a CUDA kernel here; registers them at the first call."""
    if active_backend() != "rust" or torch.version.cuda is None:
        return frozenset()
    library = Path(torch.__file__).parent / "lib" / "libtorch_cuda.so"
    places = compiler_places(torch.version.cuda, sys.path)
    try:
        names = frozenset(_rust.register_cuda(str(library), DRIVER, places, cache_folder(), is_tuning()))
    except BackendUnavailableError as error:
        warn_once(f"the CUDA kernels cannot run ({error}); the slower reference backend is used for CUDA tensors")
        return frozenset()
    logger.info("CUDA kernels registered: %s", ", ".join(sorted(names)))
    return names


def cuda_info() -> dict[str, str]:
    """Return what the CUDA kernels run with: driver, compiler and folder of compiled kernels.

    Returns
    -------
    dict of str to str

    Raises
    ------
    BackendUnavailableError
        If a part is missing.
    DeviceError
        If the driver finds no device.
    """
    if not cuda_operators():
        raise BackendUnavailableError("this torch has no CUDA, or the native kernels are not in use")
    return dict(_rust.cuda_facts())
