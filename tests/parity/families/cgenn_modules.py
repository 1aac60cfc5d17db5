"""Layers and networks of CGENN and GLGENN, by ``load_reference``.

Their edges name the receiving node first, ours the sending one.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cliffnet.errors import CliffnetError
from cliffnet.interop import load_reference
from cliffnet.interop.reference import convert_reference_state
from families.golden import Case, GoldenFile

Forward = Callable[..., Tensor]

# Start of the repository's name -> source of ``load_reference``.
SOURCES = {"DavidRuhe/": "cgenn", "katyafilimoshina/": "glgenn"}


def run(golden: GoldenFile) -> Case:
    module, state = load(golden)
    call = CALLS.get(golden.meta["class"], _call_layer)

    def forward(*arguments: Tensor | None) -> Tensor:
        result: Tensor = functional_call(module, state, arguments, strict=True)
        return result

    return Case(call(golden, module, forward))


def _call_layer(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    return {"y": forward(golden.inputs["x"])}


def _call_convolution(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    edges = golden.inputs["edge_index"].flip(0)
    return {"h": forward(golden.inputs["h"], edges, golden.inputs.get("edge_attr"))}


CALLS: dict[str, Callable[[GoldenFile, nn.Module, Forward], dict[str, Tensor]]] = {
    "EGCL": _call_convolution,
}


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
