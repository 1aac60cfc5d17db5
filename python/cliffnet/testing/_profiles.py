"""Profiles of hypothesis: how many cases to draw, and whether the same ones every time."""

from cliffnet import _env
from cliffnet.errors import ConfigError
from cliffnet.testing._requirements import require_hypothesis

# examples, same cases in every run
PROFILES = {"fast": (10, True), "ci": (40, True), "thorough": (1000, False)}


def load_profile(name: str | None = None) -> str:
    """Make a profile of cliffnet the one that hypothesis uses for tests defined from here on.

    ===========  ========  ==============================================
    name         examples  cases
    ===========  ========  ==============================================
    fast         10        the same in every run
    ci           40        the same in every run
    thorough     1000      new ones in every run, failing ones remembered
    ===========  ========  ==============================================

    None has a deadline: the first call of an operation builds tables, which would count as a slow case.

    Parameters
    ----------
    name : str, optional
        Name of the profile; by default the value of ``CLIFFNET_HYPOTHESIS_PROFILE``, or else ``ci``.

    Returns
    -------
    str
        The name of the profile. Hypothesis knows it as ``cliffnet-<name>``.

    Raises
    ------
    ConfigError
        If no profile has the name.
    MissingDependencyError
        If hypothesis is not installed.
    """
    require_hypothesis()
    from hypothesis import settings

    chosen = name or _env.read(_env.HYPOTHESIS_PROFILE)
    if chosen not in PROFILES:
        source = "the profile" if name else _env.HYPOTHESIS_PROFILE.name
        raise ConfigError(f"{source} is {chosen!r}, expected one of {', '.join(PROFILES)}")
    for known, (examples, derandomize) in PROFILES.items():
        database = {"database": None} if derandomize else {}
        settings.register_profile(
            f"cliffnet-{known}", max_examples=examples, deadline=None, derandomize=derandomize, **database
        )
    settings.load_profile(f"cliffnet-{chosen}")
    return chosen
