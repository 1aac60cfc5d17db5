"""The wheel: built, installed away from the repository, and used from there."""

import json
import subprocess
import sys
import tomllib
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "cliffnet"

# Runs apart from the repository. The folder with the wheel's contents comes first, before an editable install.
PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
import cliffnet
from cliffnet import Algebra, _rust, functional as F, ops
from cliffnet.models import GATr

torch.set_num_threads(1)
algebra = Algebra(3, 0, 1)
e1 = torch.zeros(16, requires_grad=True)
with torch.no_grad():
    e1[algebra.index("e1")[0]] = 1.0
square = F.geometric_product(e1, e1, algebra)
square[0].backward()
net = GATr(in_mv_channels=1, out_mv_channels=1, hidden_mv_channels=4, num_blocks=1, attention={"num_heads": 2})
outputs, scalars = net(torch.randn(2, 5, 1, 16))
outputs.sum().backward()
print(json.dumps({
    "file": cliffnet.__file__, "native": _rust.__file__, "version": cliffnet.__version__,
    "backend": ops.active_backend(), "profile": ops.build_info()["profile"],
    "square": square.tolist(), "gradient": e1.grad.tolist(),
    "shape": list(outputs.shape), "finite": bool(outputs.isfinite().all()),
    "learns": all(p.grad is not None for p in net.parameters()),
}))
"""


def run(*words, cwd=ROOT):
    result = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, words[:4]))} failed:\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with the compiled crates that are there."""
    maturin = Path(sys.executable).with_name("maturin")
    if not maturin.exists():
        pytest.fail(f"maturin is not installed beside {sys.executable}; install it with pip, or use `make test`")
    out = tmp_path_factory.mktemp("wheel")
    run(maturin, "build", "--release", "--quiet", "--interpreter", sys.executable, "--out", out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("installed") / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index")
    run(*pip, "--no-deps", "--target", target, wheel)
    return target


@pytest.fixture(scope="module")
def facts(installed, tmp_path_factory):
    """What the installed package says of itself."""
    return json.loads(run(sys.executable, "-I", "-c", PROBE, installed, cwd=tmp_path_factory.mktemp("elsewhere")))


@pytest.fixture(scope="module")
def information(installed):
    """The folder of the metadata."""
    (folder,) = installed.glob("cliffnet-*.dist-info")
    return folder


@pytest.fixture(scope="module")
def metadata(information):
    return message_from_string((information / "METADATA").read_text(encoding="utf-8"))


def crate_version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def files_of(folder):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if "__pycache__" not in name and not name.endswith(".so")}


def test_tag_serves_every_python_from_the_oldest(wheel):
    assert "-cp311-abi3-" in wheel.name


def test_every_file_of_the_package_is_installed(installed):
    files = files_of(PACKAGE)
    assert {"py.typed", "_rust.pyi", "nn/linear.py", "training/tasks/nbody_gravity.py"} <= files
    assert files_of(installed / "cliffnet") == files
    assert files_of(installed / "cliffnet_plugins") == files_of(PACKAGE.with_name("cliffnet_plugins"))
    assert len(list((installed / "cliffnet").glob("_rust*.so"))) == 1


def test_nothing_else_is_installed(installed, information):
    names = {path.name for path in installed.iterdir()} - {"bin", "__pycache__"}
    assert names == {"cliffnet", "cliffnet_plugins", information.name}


def test_licences_are_in_the_metadata(information, metadata):
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert set(metadata.get_all("License-File")) == {"LICENSE-MIT", "LICENSE-APACHE"}
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (information / "licenses" / name).read_bytes() == (ROOT / name).read_bytes()


def test_version_is_that_of_the_crates(metadata, facts):
    assert metadata["Version"] == facts["version"] == crate_version()


def test_only_torch_is_required(metadata):
    required = [entry for entry in metadata.get_all("Requires-Dist") if "extra ==" not in entry]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert required == declared["dependencies"]
    assert [entry.split(">")[0] for entry in required] == ["torch"]
    assert metadata["Requires-Python"] == declared["requires-python"]
    assert set(metadata.get_all("Provides-Extra")) == set(declared["optional-dependencies"])


def test_readme_is_the_description(metadata):
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()


def test_command_is_declared(information):
    assert "cliffnet=cliffnet.cli:main" in (information / "entry_points.txt").read_text().replace(" ", "")


def test_plugins_are_declared(information):
    declared = (information / "entry_points.txt").read_text().replace(" ", "")
    assert "[pytest11]\ncliffnet=cliffnet_plugins.for_pytest" in declared
    assert "[hypothesis]\ncliffnet=cliffnet_plugins.for_hypothesis:register" in declared


def test_installed_package_runs_without_the_repository(installed, facts):
    for key in ("file", "native"):
        assert Path(facts[key]).is_relative_to(installed)
    assert facts["backend"] == "rust"
    assert facts["profile"] == "release"
    assert facts["square"] == [1.0] + [0.0] * 15
    assert facts["gradient"] == [2.0 * (index == 2) for index in range(16)]
    assert facts["shape"] == [2, 5, 1, 16]
    assert facts["finite"]
    assert facts["learns"]
