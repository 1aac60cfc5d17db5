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
from cliffnet.models import SignedVolumeNet
from families.golden import Case, GoldenFile

Forward = Callable[..., Tensor]

# Start of the repository's name -> source of ``load_reference``.
SOURCES = {"DavidRuhe/": "cgenn", "katyafilimoshina/": "glgenn"}


def run(golden: GoldenFile) -> Case:
    module, state = load(golden)
    call = CALLS.get(golden.meta["class"].rsplit(".", 1)[-1], _call_layer)

    def forward(*arguments: Tensor | None) -> Tensor:
        result: Tensor = functional_call(module, state, arguments, strict=True)
        return result

    return Case(call(golden, module, forward))


def _call_layer(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    return {"y": forward(golden.inputs["x"])}


def _call_convolution(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    edges = golden.inputs["edge_index"].flip(0)
    return {"h": forward(golden.inputs["h"], edges, golden.inputs.get("edge_attr"))}


def _recorded(module: nn.Module) -> dict[str, Tensor]:
    """Return a dict that will hold what a part of a network returns."""
    seen: dict[str, Tensor] = {}
    module.register_forward_hook(lambda part, inputs, output: seen.update(output=output))
    return seen


def _squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square()


def _call_of_points(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    seen = _recorded(module.get_submodule("layers"))
    prediction = forward(golden.inputs["points"])
    if prediction.dim() > 1 and isinstance(module, SignedVolumeNet):
        prediction = prediction[:, 0]
    loss = _squared_error(prediction, golden.inputs["target"])
    return {"mv": seen["output"], "pred": prediction, "loss": loss, "loss_mean": loss.mean()}


def _call_regression(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    points = golden.inputs["points"]
    y = forward(points.reshape(len(points), 2, -1)).unsqueeze(-1)
    # The loss is that of values before they were standardised.
    loss = _squared_error(y, golden.inputs["target"]) * golden.config["ystd"] ** 2
    return {"y": y, "loss": loss, "loss_mean": loss.mean()}


def _call_nbody(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    seen = _recorded(module.get_submodule("projection"))
    values = golden.inputs
    edges = values["edges"].flip(-2)
    prediction = forward(values["loc"], values["vel"], values["charges"], edges, values["edge_attr"]).flatten(0, 1)
    outputs = {"projection_out": seen["output"], "loc_pred": prediction}
    if "loc_end" in values:
        per_node = _squared_error(prediction, values["loc_end"].flatten(0, 1)).mean(dim=1)
        outputs |= {"loss_per_node": per_node, "loss": per_node, "loss_mean": per_node.mean()}
    return outputs


def _call_lorentz(golden: GoldenFile, module: nn.Module, forward: Forward) -> dict[str, Tensor]:
    values = golden.inputs
    mask, edges = values["atom_mask"].bool(), values["edges"].flip(0)
    logits = forward(values["Pmu"], values["nodes"], mask, edges)
    loss = torch.nn.functional.cross_entropy(logits, values["is_signal"].long(), reduction="none")
    return {"logits": logits, "loss": loss, "loss_mean": loss.mean()}


CALLS: dict[str, Callable[[GoldenFile, nn.Module, Forward], dict[str, Tensor]]] = {
    "EGCL": _call_convolution,
    "O3CGMLP": _call_of_points,
    "ConvexHullCGMLP": _call_of_points,
    "ConvexHullGLGMLP": _call_of_points,
    "O5CGMLP": _call_regression,
    "O5GLGMLP": _call_regression,
    "OnGLGMLP": _call_regression,
    "LorentzCGGNN": _call_lorentz,
    "NBodyCGGNN": _call_nbody,
    "NBodyGLGGNN": _call_nbody,
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
