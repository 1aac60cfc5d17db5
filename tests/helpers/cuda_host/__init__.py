"""The processor in the place of a CUDA device: the CUDA sources, compiled as C++, behind the same driver calls.

``driver.cpp`` and ``nvrtc.cpp`` have the functions of the driver and of NVRTC that cliffnet calls. All of ours is
in between as it is with a GPU: the text of the kernels, the cache, the parameters, the launch.
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


def start(cache: Path | None, is_tuning: bool = False) -> frozenset[str]:
    """Register the operators with CUDA kernels for CPU tensors, or start anew; return their names."""
    driver, _ = libraries()
    folder = None if cache is None else str(cache)
    return frozenset(_rust.register_host([(False, str(driver))], compiler_places(), folder, is_tuning))


def compiler_places() -> list[tuple[bool, str]]:
    """Return where the compiler is."""
    return [(False, str(libraries()[1]))]


@functools.cache
def operators() -> Any:
    """Return the namespace of the operators, whose kernels are kept for the process."""
    start(Path(tempfile.mkdtemp(prefix="cliffnet-host-cache-")))
    return torch.ops.cliffnet_host


def variable(name: str) -> ctypes.c_int:
    """Return a variable of one of the libraries: a count of calls, or a switch."""
    driver, compiler = libraries()
    library = compiler if name in ("cliffnet_compilations", "cliffnet_refuses") else driver
    return ctypes.c_int.in_dll(ctypes.CDLL(str(library)), name)
