"""The logger of the library and messages that are given once."""

import functools
import logging
import warnings

from cliffnet.errors import CliffnetWarning

logger = logging.getLogger("cliffnet")
logger.addHandler(logging.NullHandler())


@functools.cache
def warn_once(message: str) -> None:
    """Issue a :class:`CliffnetWarning` the first time a message is given in this process."""
    warnings.warn(message, CliffnetWarning, stacklevel=3)
