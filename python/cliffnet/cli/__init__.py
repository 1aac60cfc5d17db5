"""The command line: ``cliffnet info | train | eval | demo``."""

from cliffnet.cli._main import main

__all__ = ["main"]
