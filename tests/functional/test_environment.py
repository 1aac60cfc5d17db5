"""The environment variables that choose a backend and an instruction set, each in a process of its own."""

import os
import subprocess
import sys

import pytest
import torch

from cliffnet import ops
from cliffnet.errors import BackendUnavailableError

PRODUCT = """
import torch
from cliffnet import Algebra, functional as F, ops

algebra = Algebra(3, 0, 1)
x = (torch.arange(16.0) % 5 - 2).expand(70, 16).contiguous().requires_grad_()
y = torch.arange(16.0) % 3 - 1
out = F.geometric_product(x, y, algebra)
(gradient,) = torch.autograd.grad(out.sum(), x)
print(ops.active_backend(), ops.build_info()["isa"], int(out[-1] @ torch.arange(16.0)), int(gradient.abs().sum()))
"""


def run(code, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIFFNET_")}
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env={**environment, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def default():
    process = run(PRODUCT)
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


@pytest.mark.parametrize(
    ("variables", "backend", "isa"),
    [
        ({"CLIFFNET_BACKEND": "reference"}, "reference", None),
        ({"CLIFFNET_ISA": "scalar"}, "rust", "scalar"),
        ({"CLIFFNET_ISA": "avx2"}, "rust", "avx2"),
        ({"CLIFFNET_BACKEND": "rust", "CLIFFNET_ISA": ""}, "rust", None),
    ],
    ids=str,
)
def test_every_backend_gives_the_same_result(variables, backend, isa, default):
    process = run(PRODUCT, **variables)
    if process.returncode and isa and "which this processor lacks" in process.stderr:
        pytest.skip(f"this processor lacks {isa}")
    assert process.returncode == 0, process.stderr
    words = process.stdout.split()
    assert words[0] == (backend or default[0])
    assert words[1] == (isa or default[1])
    assert words[2:] == default[2:]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tpu", "CLIFFNET_BACKEND is 'tpu', expected reference, rust or cuda; unset it to choose"),
        ("Reference", "CLIFFNET_BACKEND is 'Reference', expected reference, rust or cuda"),
        pytest.param(
            "cuda",
            "CLIFFNET_BACKEND is 'cuda', but torch finds no CUDA device; unset it",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
    ],
)
def test_backends_that_cannot_run_are_refused(name, message, monkeypatch):
    monkeypatch.setenv("CLIFFNET_BACKEND", name)
    with pytest.raises(BackendUnavailableError, match=message):
        ops.active_backend.__wrapped__()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CLIFFNET_BACKEND": "tpu"}, "CLIFFNET_BACKEND is 'tpu', expected reference, rust or cuda; unset it"),
        ({"CLIFFNET_ISA": "sse9"}, "CLIFFNET_ISA is 'sse9', expected one of scalar, avx2, avx512, neon; unset it"),
        ({"CLIFFNET_ISA": "neon"}, "CLIFFNET_ISA is 'neon', which this processor lacks; unset it to detect"),
    ],
    ids=str,
)
def test_import_refuses_what_cannot_run(variables, message):
    if os.uname().machine == "aarch64" and "neon" in variables.values():
        pytest.skip("this processor has neon")
    process = run("import cliffnet", **variables)
    assert process.returncode == 1
    assert f"cliffnet.errors.BackendUnavailableError: {message}" in process.stderr
