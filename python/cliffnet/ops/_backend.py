"""Which backend runs the operators, decided once at import."""

from functools import cache
from pathlib import Path

import torch

from cliffnet import _env, _rust
from cliffnet._log import logger, warn_once
from cliffnet.errors import BackendUnavailableError

_CHOICES = ("", "reference", "rust", "cuda")


def build_info() -> dict[str, str]:
    """Return facts of the native build: version, target, profile and instruction set."""
    return dict(_rust.build_info())


def _register_native() -> None:
    """Define the operators in the dispatcher of the imported torch."""
    folder = Path(torch.__file__).parent / "lib"
    _rust.register_operators(str(folder / "libtorch_cpu.so"), str(folder / "libc10.so"))


@cache
def active_backend() -> str:
    """Return ``"rust"`` or ``"reference"``.

    Raises
    ------
    BackendUnavailableError
        If ``CLIFFNET_BACKEND`` names a backend that is unknown or cannot run here.
    """
    asked = _env.read(_env.BACKEND)
    if asked not in _CHOICES:
        raise BackendUnavailableError(
            f"CLIFFNET_BACKEND is '{asked}', expected reference, rust or cuda; unset it to choose"
        )
    if asked == "reference":
        return "reference"
    if asked == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailableError("CLIFFNET_BACKEND is 'cuda', but torch finds no CUDA device; unset it to choose")
    try:
        _rust.build_info()
        _register_native()
    except BackendUnavailableError as error:
        if asked in ("rust", "cuda") or _env.read(_env.ISA):
            raise
        warn_once(f"the native kernels cannot run ({error}); the slower reference backend is used instead")
        return "reference"
    logger.info("native kernels registered: %s", build_info())
    return "rust"
