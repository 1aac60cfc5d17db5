"""The processor in the place of a CUDA device: the CUDA sources, compiled by a C++ compiler, behind the same driver calls.

``libcuda`` and ``libnvrtc`` of this folder have the functions that cliffnet calls. Everything of ours is in between as it
is with a GPU: the text of the kernels, the cache, the parameters, the launch.
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch

from cliffnet import _rust

FOLDER = Path(__file__).parent
CXX = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
"""The C++ compiler; without one the kernels cannot run on the processor."""


@functools.cache
def libraries() -> tuple[Path, Path]:
    """Build the driver and the compiler."""
    folder = Path(tempfile.mkdtemp(prefix="cliffnet-host-"))
    built = []
    for name, defines in (("driver", ()), ("nvrtc", (f'-DCXX="{CXX}"', f'-DHOST_HEADER="{FOLDER / "host.h"}"'))):
        path = folder / f"lib{name}_host.so"
        source = FOLDER / f"{name}.cpp"
        subprocess.run([CXX, "-std=c++17", "-shared", "-fPIC", *defines, "-o", path, source, "-ldl"], check=True)
        built.append(path)
    return built[0], built[1]


@functools.cache
def operators() -> Any:
    """Register the operators with CUDA kernels for CPU tensors; return their namespace."""
    driver, compiler = libraries()
    cache = Path(tempfile.mkdtemp(prefix="cliffnet-host-cache-"))
    _rust.register_host([(False, str(driver))], [(False, str(compiler))], str(cache))
    return torch.ops.cliffnet_host


def counter(library: Path, name: str) -> ctypes.c_int:
    """Return a variable of one of the libraries."""
    return ctypes.c_int.in_dll(ctypes.CDLL(str(library)), name)
