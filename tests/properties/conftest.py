"""Set-up of the property tests: the profile of hypothesis."""

from cliffnet.testing import load_profile

load_profile()
