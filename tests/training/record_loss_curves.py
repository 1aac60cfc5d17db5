"""Run the published code of CGENN and GLGENN on the cases of ``helpers.loss_curves`` and record the losses.

``python tests/training/record_loss_curves.py CGENN GLGENN`` with clones of

* DavidRuhe/clifford-group-equivariant-neural-networks, recorded at commit 8482b06;
* katyafilimoshina/glgenn, recorded at commit e7f4c2b, in a folder of that name.

Everything runs in double precision, for which ``Tensor.float`` is made to do nothing. The modules that log metrics are
left out, for they ask for packages that no network needs. The read-outs of the regression
networks are narrower than published, so that the file stays small. Initial weights are those of the repositories, moved
a little, for zeros and ones hide faults, and rounded to single precision, as which they are stored.
"""

import argparse
import importlib
import itertools
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import loss_curves

MODULES = {
    "O5CGMLP": "models.o5_cgmlp",
    "ConvexHullCGMLP": "models.hulls_cgmlp",
    "NBodyCGGNN": "models.nbody_cggnn",
    "O5GLGMLP": "glgenn.models.o5_glgmlp",
    "ConvexHullGLGMLP": "glgenn.models.hull_glgmlp",
}


def build(case):
    torch.manual_seed(case.seed)
    net = getattr(importlib.import_module(MODULES[case.class_name]), case.class_name)(**case.config)
    if width := case.replaced.get("mlp_hidden"):
        widths = [8, width, width, 1]
        layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
        net.mlp = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_((parameter + 0.2 * torch.randn_like(parameter)).to(torch.float32))
    return net


def loss_of(net, batch):
    if isinstance(batch, loss_curves.Vectors) and "O5" in type(net).__name__:
        batch = (batch.vectors.flatten(1), batch.targets.unsqueeze(-1))
    return net(tuple(batch), 0)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cgenn", type=Path)
    parser.add_argument("glgenn", type=Path)
    options = parser.parse_args()
    sys.path[:0] = [str(options.cgenn.resolve()), str(options.glgenn.resolve().parent)]
    for place in ("engineer", "glgenn.engineer"):
        sys.modules |= dict.fromkeys((place, f"{place}.metrics", f"{place}.metrics.metrics"), MagicMock())
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = lambda self: self
    recorded = {}
    for name, case in loss_curves.CASES.items():
        net = build(case)
        for key, value in net.named_parameters():
            recorded[f"{name}/weights/{key}"] = value.detach().to(torch.float32).numpy()
        losses = loss_curves.train(net, case, loss_of)
        recorded[f"{name}/losses"] = np.array(losses)
        print(f"{name}: from {losses[0]:.4f} to {losses[-1]:.4f}")
    np.savez_compressed(loss_curves.GOLDEN, **recorded)
    print(f"{loss_curves.GOLDEN}: {loss_curves.GOLDEN.stat().st_size} bytes")


if __name__ == "__main__":
    main()
