"""``import cliffnet`` loads little and takes little time."""

import json
import subprocess
import sys

PROBE = """
import json, sys, time
import torch
before = set(sys.modules)
start = time.perf_counter()
import cliffnet
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "loaded": sorted(set(sys.modules) - before), "file": cliffnet.__file__}))
"""
EXTRAS = {"matplotlib", "rich", "safetensors", "tensorboard", "scipy", "gudhi", "h5py", "einops"}
# each takes a good part of a second
HEAVY = {"torch._dynamo", "torch._inductor", "torch.onnx", "torch.utils.tensorboard", "sympy"}


def probe():
    process = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_import_loads_no_extras_and_no_compiler():
    loaded = probe()["loaded"]
    assert not {name for name in loaded if name.split(".")[0] in EXTRAS}
    assert not {name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")}


def test_import_loads_only_the_core():
    loaded = {name.split(".")[1] for name in probe()["loaded"] if name.startswith("cliffnet.")}
    assert loaded == {
        "_env",
        "_graphs",
        "_log",
        "_rust",
        "algebra",
        "errors",
        "functional",
        "multivector",
        "ops",
        "reference",
    }


def test_import_takes_at_most_a_tenth_of_a_second():
    seconds = []
    for _ in range(3):
        seconds.append(probe()["seconds"])
        if seconds[-1] <= 0.1:
            break
    assert min(seconds) <= 0.1, f"import took {min(seconds):.3f} s beyond torch"


def test_packages_are_attributes():
    program = "import cliffnet; print(cliffnet.geometry.pga3d, cliffnet.io.save, 'nn' in dir(cliffnet)); cliffnet.no"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert process.stdout.strip().endswith("True"), process.stderr
    assert "module 'cliffnet' has no attribute 'no'" in process.stderr
