"""The plugin of hypothesis: lets ``from_type`` and inferred arguments know the types of cliffnet."""

import sys


def register() -> None:
    """Register the types of cliffnet if both cliffnet and hypothesis are in use.

    Called at the end of the import of either, so that it takes effect with the second of them.
    """
    if "cliffnet" in sys.modules and "hypothesis" in sys.modules:
        from cliffnet.testing import register_types

        register_types()
