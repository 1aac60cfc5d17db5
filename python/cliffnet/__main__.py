"""``python -m cliffnet`` is the command ``cliffnet``."""

import sys

from cliffnet.cli import main

sys.exit(main())
