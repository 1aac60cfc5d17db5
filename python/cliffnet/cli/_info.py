"""``cliffnet info``."""

import argparse
import importlib.metadata
import platform
import sys
from typing import Any

import torch

import cliffnet
from cliffnet.cli._algebra import print_algebra, read_algebra
from cliffnet.errors import BackendUnavailableError, DeviceError
from cliffnet.ops import active_backend, build_info, cuda_info, cuda_operators

_EXTRAS = ("numpy", "safetensors", "rich", "matplotlib", "tensorboard")


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "info", help="versions and backend, or the facts of an algebra", description="Describe this installation."
    )
    parser.set_defaults(run=run)
    parser.add_argument("algebra", nargs="?", metavar="ALGEBRA", help='e.g. "Cl(3,0,1)" or 3DPGA: describe it')


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if options.algebra is not None:
        print_algebra(read_algebra(options.algebra))
        return 0
    facts = {
        "cliffnet": cliffnet.__version__,
        "backend": active_backend(),
        **{f"native {key}": value for key, value in build_info().items() if key != "version"},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "cuda": torch.version.cuda or "not built in",
        "cuda kernels": _cuda_kernels(),
        "devices": ", ".join(_devices()),
        "platform": platform.platform(),
        **{name: _version(name) for name in _EXTRAS},
    }
    width = max(map(len, facts))
    sys.stdout.writelines(f"{key:<{width}}  {value}\n" for key, value in facts.items())
    return 0


def _cuda_kernels() -> str:
    try:
        facts = ", ".join(f"{name} {fact}" for name, fact in cuda_info().items())
    except (BackendUnavailableError, DeviceError) as error:
        return f"none: {error}"
    return f"{len(cuda_operators())} operators; {facts}"


def _devices() -> list[str]:
    return ["cpu", *(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return 'missing (pip install "cliffnet[train]")'
