"""Packages that property tests need and cliffnet does not."""

from cliffnet.errors import MissingDependencyError


def require_hypothesis() -> None:
    """Import hypothesis, or say how to install it.

    Raises
    ------
    MissingDependencyError
        Naming the extra that installs it.
    """
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "strategies and profiles of cliffnet.testing need hypothesis, which is not installed; "
            "install it with pip install 'cliffnet[testing]' or pip install hypothesis"
        ) from error
