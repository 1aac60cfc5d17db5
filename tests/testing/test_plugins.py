"""The plugins of pytest and hypothesis: what they cost, the profiles, and the marker."""

import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

import cliffnet_plugins
from cliffnet import _env
from cliffnet.errors import ConfigError
from cliffnet.testing import load_profile
from cliffnet_plugins import for_pytest

QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def run(folder, *arguments, **environment):
    """Run pytest on the files of a folder in a process of its own."""
    command = (sys.executable, "-m", "pytest", *QUIET, "-p", "cliffnet_plugins.for_pytest", "-p", "no:cliffnet")
    root = Path(cliffnet_plugins.__file__).parents[1]
    variables = {"PATH": "", "HOME": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), **environment}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=120
    )


def write(folder, text):
    (folder / "test_it.py").write_text(textwrap.dedent(text))


def test_plugins_cost_nothing_until_they_are_used(tmp_path):
    write(
        tmp_path,
        """
        import sys

        def test_nothing_was_imported():
            assert not {"torch", "cliffnet", "hypothesis"} & set(sys.modules)
        """,
    )
    result = run(tmp_path, "-p", "no:hypothesispytest")
    assert result.returncode == 0, result.stdout
    code = "import sys, hypothesis; from cliffnet_plugins import for_hypothesis; for_hypothesis.register()"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_importing_cliffnet_testing_does_not_import_hypothesis():
    code = "import sys, cliffnet.testing; assert 'hypothesis' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


IMPORTS = ["import cliffnet\nimport hypothesis", "import hypothesis\nimport cliffnet"]


@pytest.mark.parametrize("imports", IMPORTS, ids=["cliffnet first", "hypothesis first"])
def test_types_are_known_whatever_is_imported_first(tmp_path, imports):
    body = """

@hypothesis.given(...)
def test_inferred(x: cliffnet.Multivector, algebra: cliffnet.Algebra):
    assert x.tensor.shape == (x.layout.size,)
    dims.add(algebra.dim)

def test_many_were_drawn():
    assert len(dims) > 2

dims = set()
"""
    (tmp_path / "test_it.py").write_text(imports + body)
    result = run(tmp_path)
    assert result.returncode == 0, result.stdout


def test_profile_by_option_and_by_variable(tmp_path):
    write(
        tmp_path,
        """
        from hypothesis import settings

        def test_examples():
            print("examples", settings().max_examples, settings().derandomize)
        """,
    )
    variable = _env.HYPOTHESIS_PROFILE.name
    assert variable == for_pytest.VARIABLE
    cases = [
        ((), {variable: "thorough"}, "examples 1000 False"),
        (("--cliffnet-profile", "ci"), {variable: "fast"}, "examples 40 True"),
    ]
    for arguments, environment, expected in cases:
        assert expected in run(tmp_path, "-s", *arguments, **environment).stdout
    wrong = run(tmp_path, **{variable: "slow"})
    assert wrong.returncode != 0
    assert "'slow', expected one of fast, ci, thorough" in wrong.stderr


def test_load_profile(monkeypatch):
    before = settings.get_current_profile_name()
    try:
        for name, examples in (("fast", 10), ("ci", 40), ("thorough", 1000)):
            assert load_profile(name) == name
            assert settings().max_examples == examples
            assert settings().deadline is None
        monkeypatch.setenv("CLIFFNET_HYPOTHESIS_PROFILE", "fast")
        assert load_profile() == "fast"
        monkeypatch.setenv("CLIFFNET_HYPOTHESIS_PROFILE", "")
        assert load_profile() == "ci"
        with pytest.raises(ConfigError, match="the profile is 'quick', expected one of fast, ci, thorough"):
            load_profile("quick")
    finally:
        settings.load_profile(before)


def test_marker_gives_a_test_every_algebra(tmp_path):
    write(
        tmp_path,
        """
        import pytest

        @pytest.mark.cliffnet(max_dim=2)
        def test_all(algebra): assert algebra.dim <= 2

        @pytest.mark.cliffnet(min_dim=2, max_dim=2, degenerate=False)
        def test_regular(algebra): assert algebra.r == 0

        @pytest.mark.cliffnet(signatures=[(3, 0, 1), (4, 1)])
        def test_named(algebra): assert algebra.dim > 3
        """,
    )
    result = run(tmp_path, "-vv", "--strict-markers")
    assert result.returncode == 0, result.stdout
    assert "test_all[Cl(1,0,1)]" in result.stdout
    assert "test_named[Cl(3,0,1)]" in result.stdout
    assert "15 passed" in result.stdout  # 10 + 3 + 2


def marked(*arguments, fixtures=("algebra",), **options):
    """What pytest passes for a test with the marker."""
    mark = pytest.mark.cliffnet(*arguments, **options).mark
    definition = SimpleNamespace(nodeid="test_it.py::test_it", get_closest_marker=lambda name: mark)
    return SimpleNamespace(definition=definition, fixturenames=fixtures)


@pytest.mark.parametrize(
    ("metafunc", "message"),
    [
        (marked(fixtures=()), "needs a test with an argument 'algebra'"),
        (marked(3), "keywords only"),
        (marked(dim=3), "unexpected keyword argument 'dim'"),
        (marked(min_dim=7), "no algebra has 7 to 5 generators"),
    ],
    ids=["argument", "positional", "keyword", "bounds"],
)
def test_bad_markers_are_named(metafunc, message):
    with pytest.raises(pytest.UsageError, match=message) as failure:
        for_pytest.pytest_generate_tests(metafunc)
    assert "test_it.py::test_it" in str(failure.value)
