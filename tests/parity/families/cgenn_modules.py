"""Layers and networks of CGENN and GLGENN, by ``load_reference``."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cliffnet.errors import CliffnetError
from cliffnet.interop import load_reference
from cliffnet.interop.reference import convert_reference_state
from families.golden import Case, GoldenFile

# Start of the repository's name -> source of ``load_reference``.
SOURCES = {"DavidRuhe/": "cgenn", "katyafilimoshina/": "glgenn"}


def run(golden: GoldenFile) -> Case:
    module, state = load(golden)
    y = functional_call(module, state, (golden.inputs["x"],), strict=True)
    return Case({"y": y})


def load(golden: GoldenFile) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return our module, and its state as a differentiable function of the file's parameters."""
    source = next(name for start, name in SOURCES.items() if golden.source.startswith(start))
    config = golden.config
    mode = config.pop("mode", "train")
    if golden.meta.get("metric") is not None:
        config["metric"] = golden.meta["metric"]
    values = {name: tensor.detach().clone() for name, tensor in golden.params.items()}
    module = load_reference(source, golden.meta["class"], config, values).to(golden.device).train(mode == "train")
    state = convert_reference_state(source, golden.meta["class"], config, golden.params)
    loaded = module.state_dict()
    if loaded.keys() != state.keys() or any(not torch.equal(loaded[name], state[name]) for name in loaded):
        raise CliffnetError("load_reference and its differentiable form disagree")
    return module, state
