"""Programs exported by one process and run by another."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NET = """
import sys, torch
from cliffnet import Algebra, functional as F
algebra = {algebra}
class Net(torch.nn.Module):
    def forward(self, x, y):
        product = F.geometric_product(x, y, algebra)
        moved = F.sandwich(F.exp(F.grade_project(y, 2, algebra), algebra), product, algebra)
        return moved + F.inner_product(x, product, algebra).unsqueeze(-1)
x = torch.linspace(-1, 1, 3 * algebra.num_blades, dtype=torch.float64).reshape(3, -1)
expected = Net()(x, x.flip(0))
"""
SAVE = (
    NET
    + """
F.outer_product(torch.ones(2), torch.ones(2), Algebra(1))  # plans of this process that the other lacks
torch.export.save(torch.export.export(Net(), (x, x.flip(0)), strict=False), sys.argv[1])
torch.save(expected, sys.argv[1] + ".expected")
"""
)
LOAD = """
import sys, torch
import cliffnet
from cliffnet import functional as F
module = torch.export.load(sys.argv[1]).module()
expected = torch.load(sys.argv[1] + ".expected")
x = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).reshape(3, -1).requires_grad_()
torch.testing.assert_close(module(x, x.flip(0)), expected)
(gradient,) = torch.autograd.grad(module(x, x.flip(0)).sum(), x)
assert gradient.shape == x.shape
"""


def run(code: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("algebra", ["Algebra(2)", "Algebra(3, 0, 1)", "Algebra(4, 1)"])
def test_standard_products_run_in_a_process_that_never_met_them(algebra, tmp_path):
    path = str(tmp_path / "program.pt2")
    saved = run(SAVE.format(algebra=algebra), path)
    assert saved.returncode == 0, saved.stderr
    loaded = run(LOAD, path)
    assert loaded.returncode == 0, loaded.stderr


def test_unknown_plan_is_refused_and_never_another(tmp_path):
    path = str(tmp_path / "program.pt2")
    algebra = "Algebra(metric=(2.0, -3.0))"
    assert run(SAVE.format(algebra=algebra), path).returncode == 0
    refused = run(LOAD, path)
    assert refused.returncode != 0
    assert "is not known to this process" in refused.stderr
    prepared = run(NET.format(algebra=algebra) + LOAD, path)
    assert prepared.returncode == 0, prepared.stderr
