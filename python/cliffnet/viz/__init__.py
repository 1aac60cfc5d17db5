"""Figures of algebras, multivectors and geometry, with matplotlib or in a browser with ganja.js.

Matplotlib comes with the extra ``viz`` and is imported on the first call. Functions return axes; nothing is shown.
"""

from cliffnet.viz._ganja import ganja
from cliffnet.viz._scene import scene
from cliffnet.viz._tables import cayley_table, coefficients

__all__ = ["cayley_table", "coefficients", "ganja", "scene"]
