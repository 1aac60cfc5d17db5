"""What the documents say is run: their Python blocks, their links, the paths and commands they name, the examples."""

import doctest
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from cliffnet.cli import main

ROOT = Path(__file__).parents[2]
GUIDE = tuple(sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "rust/README.md",
    "benches/figures.md",
    *GUIDE,
)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    """Code blocks of a document with the line before each, so that a failure names the line of the document."""
    text = read(name)
    return [
        (text.count("\n", 0, found.start(1)), found.group(1))
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def commands(name):
    """What a reader of the document would type, without the comments."""
    lines = [line for _, block in blocks(name, "console") for line in block.splitlines()]
    return [line[2:].split(" #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_python_blocks_run_in_order(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = blocks(name, "python")
    assert found
    namespace = {"__name__": "__document__"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for line, code in found:
            exec(compile("\n" * line + code, str(ROOT / name), "exec"), namespace)


def session(name):
    """The interactive sessions of a page as one doctest; other lines are blank, so that line numbers are the page's."""
    kept, inside = [], False
    for line in read(name).splitlines():
        fence = line.lstrip().startswith("```")
        kept.append(line if inside and not fence else "")
        inside = line.lstrip() == "```pycon" or (inside and not fence)
    return doctest.DocTestParser().get_doctest("\n".join(kept) + "\n", {"__name__": "__page__"}, name, name, 0)


@pytest.fixture
def own_hypothesis_profile():
    """Leave the profile of other tests as it was: a page loads one."""
    settings.register_profile("before the page", settings.default)
    yield
    settings.load_profile("before the page")


@pytest.mark.usefixtures("own_hypothesis_profile")
@pytest.mark.parametrize("name", [name for name in GUIDE if name != "docs/README.md"])
def test_sessions_of_the_guide_print_what_they_say(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    test = session(name)
    assert test.examples
    untested = re.findall(r"^ *```(?!pycon$|console$|$).*", read(name), re.MULTILINE)
    assert not untested, f"{name}: write examples as sessions, in blocks marked pycon"
    report = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.FAIL_FAST)
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("name", GUIDE)
def test_names_in_the_text_of_the_guide_exist(name):
    places = {"F": "cliffnet.functional"}
    places |= {place: f"cliffnet.{place}" for place in ("interop", "io", "testing", "viz")}
    places |= {place: f"cliffnet.geometry.{place}" for place in ("pga2d", "pga3d", "cga", "sta")}
    named = set(re.findall(rf"`({'|'.join(places)})\.(\w+)", read(name)))
    missing = [f"{place}.{word}" for place, word in named if not hasattr(importlib.import_module(places[place]), word)]
    assert not missing, f"{name} names what does not exist: {missing}"


def test_every_page_of_the_guide_is_listed():
    for name in GUIDE:
        if name != "docs/README.md":
            assert f"({name.removeprefix('docs/')})" in read("docs/README.md")


def anchors(name):
    """Anchors of the headings, as they are made on the web."""
    titles = re.findall(r"^#+ (.+)$", read(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name):
    text = re.sub(r"^```.*?^```$", "", read(name), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {link}, which does not exist"
        if anchor:
            assert anchor in anchors(target.relative_to(ROOT)), f"{name} links to {link}: no such heading"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_in_the_text_exist(name):
    named = re.findall(r"`((?:rust|python|tests|benches|examples|tools)(?:/[\w.\-/]+)?)`", read(name))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, f"{name} names paths that do not exist: {missing}"


def test_table_of_the_architecture_names_paths():
    rows = [row for row in read("ARCHITECTURE.md").splitlines() if row.startswith("| ") and "`" in row]
    assert len(rows) > 10
    for row in rows:
        assert re.search(r"`(rust|python|tests|benches)(/|`)", row), f"no path in: {row}"


def test_crates_of_the_workspace_are_listed():
    members = tomllib.loads(read("Cargo.toml"))["workspace"]["members"]
    for member in members:
        assert f"]({Path(member).name})" in read("rust/README.md")
        assert Path(member).name in read("ARCHITECTURE.md")


def test_make_help_lists_the_targets_that_documents_name():
    result = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = {line.split()[0] for line in result.stdout.splitlines()}
    text = "".join(map(read, DOCUMENTS))
    inline = re.findall(r"`make ([a-z]+)", text)
    typed = [words[1] for name in DOCUMENTS for line in commands(name) if (words := line.split())[0] == "make"]
    named = {*inline, *typed}
    assert {"demo", "test", "bench", "help"} <= named
    assert named <= targets


def test_command_line_of_the_readme_is_understood(capsys):
    typed = [line.split() for line in commands("README.md") if line.startswith("cliffnet ")]
    assert typed
    for _, command, *words in typed:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        missing = [word for word in words if word.startswith("--") and word not in text]
        assert not missing, f"cliffnet {command} has no {missing}"


def test_requirements_are_those_of_the_package():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    python = project["requires-python"].removeprefix(">=")
    (torch_floor,) = (entry.removeprefix("torch>=") for entry in project["dependencies"])
    assert f"Python >= {python}" in read("README.md")
    assert f"torch >= {torch_floor}" in read("README.md")
    named = re.findall(r"pip install '(?:\.|cliffnet)\[(\w+)\]'", "".join(map(read, DOCUMENTS)))
    assert {"train", "testing"} <= set(named) <= set(project["optional-dependencies"])


def test_readme_has_the_place_for_figures():
    assert re.search(r"^<!-- benchmarks -->\n.+?\n<!-- /benchmarks -->$", read("README.md"), re.MULTILINE | re.DOTALL)


def test_changelog_knows_the_version():
    version = tomllib.loads(read("Cargo.toml"))["workspace"]["package"]["version"]
    assert re.search(rf"^## \[Unreleased\]|^## \[{re.escape(version)}\]", read("CHANGELOG.md"), re.MULTILINE)
    assert version in read("CHANGELOG.md")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    cache = tmp_path / "cache"
    variables = {"OMP_NUM_THREADS": "1", "CLIFFNET_CACHE_DIR": str(cache), "MPLCONFIGDIR": str(cache)}
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", path],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_examples_are_numbered_and_named_in_the_readme():
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02}_" for number in range(1, len(EXAMPLES) + 1)]
    for path in EXAMPLES:
        assert f"(examples/{path.name})" in read("README.md")
