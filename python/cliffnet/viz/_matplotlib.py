"""The one place that imports matplotlib."""

from typing import Any

from cliffnet.errors import MissingDependencyError

# Colour-blind safe (Okabe and Ito), in the order in which objects take them.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
INK = "#333333"


def pyplot() -> Any:
    """Return ``matplotlib.pyplot``.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise MissingDependencyError(
            f"cliffnet.viz draws with matplotlib, which could not be imported ({error}); "
            'install it with: pip install "cliffnet[viz]"'
        ) from error
    return plt
