"""The plugin of pytest: a profile for hypothesis, and tests that run once per algebra.

``--cliffnet-profile`` or the environment variable ``CLIFFNET_HYPOTHESIS_PROFILE`` chooses a profile of
:func:`cliffnet.testing.load_profile`; without either, hypothesis keeps the settings it has.

A test marked with ``@pytest.mark.cliffnet(max_dim=3)`` runs once for every algebra of up to three generators, given as
its argument ``algebra``. The marker takes ``max_dim`` (5), ``min_dim`` (0) and ``degenerate`` (True), or a list of
``signatures`` such as ``[(3, 0, 1)]``.
"""

import os
from collections.abc import Iterable

import pytest

VARIABLE = "CLIFFNET_HYPOTHESIS_PROFILE"
MARKER = (
    "cliffnet(max_dim=5, min_dim=0, degenerate=True, signatures=None): run once per algebra, the argument `algebra`"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses a profile."""
    parser.getgroup("cliffnet").addoption(
        "--cliffnet-profile",
        choices=("fast", "ci", "thorough"),
        help=f"number of cases that property tests draw (default: {VARIABLE}, else what hypothesis has)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and load the profile that was asked for."""
    config.addinivalue_line("markers", MARKER)
    profile = config.getoption("--cliffnet-profile") or os.environ.get(VARIABLE)
    if profile:
        from cliffnet.errors import CliffnetError
        from cliffnet.testing import load_profile

        try:
            load_profile(profile)
        except CliffnetError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a marked test its algebras."""
    marker = metafunc.definition.get_closest_marker("cliffnet")
    if marker is None:
        return
    name = metafunc.definition.nodeid
    if marker.args:
        raise pytest.UsageError(f"{name}: the marker 'cliffnet' takes keywords only, such as max_dim=3")
    if "algebra" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{name}: the marker 'cliffnet' needs a test with an argument 'algebra'")
    try:
        algebras = _algebras(**marker.kwargs)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{name}: {error}") from error
    metafunc.parametrize("algebra", algebras, ids=str)


def _algebras(
    max_dim: int = 5,
    min_dim: int = 0,
    degenerate: bool = True,
    signatures: Iterable[tuple[int, ...]] | None = None,
) -> list[object]:
    from cliffnet.testing import list_algebras

    return list(list_algebras(max_dim, min_dim, degenerate, signatures))
