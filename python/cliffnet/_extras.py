"""Packages of optional extras."""

import importlib
from typing import Any

from cliffnet.errors import MissingDependencyError


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
