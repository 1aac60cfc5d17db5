"""GATr: modules by ``load_reference``, functions by the operations named in the file."""

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from cliffnet.errors import CliffnetError
from cliffnet.interop import load_reference
from cliffnet.interop._gatr import CLASSES
from cliffnet.interop.reference import convert_reference_state
from families.gatr_functions import run_functions
from families.gatr_nbody import run_nbody
from families.golden import Case, GoldenFile, UnsupportedError

METRIC = [0, 1, 1, 1]

# Input names in golden files -> arguments of our forward, by class.
_ADDITIONAL = {
    "additional_qk_features_mv": "additional_qk_mv",
    "additional_qk_features_s": "additional_qk_scalars",
}
_MASK = {"mask": "attention_mask", "attention_mask": "attention_mask"}
_STREAMS = {"multivectors": "multivectors", "scalars": "scalars"}
_ARGUMENTS = {
    "EquiLinear": _STREAMS,
    "GeometricBilinear": {**_STREAMS, "reference_mv": "reference"},
    "GeoMLP": {**_STREAMS, "reference_mv": "reference"},
    "SelfAttention": {**_STREAMS, **_ADDITIONAL, **_MASK},
    "CrossAttention": {
        "multivectors_q": "q_multivectors",
        "multivectors_kv": "kv_multivectors",
        "scalars_q": "q_scalars",
        "scalars_kv": "kv_scalars",
        **_MASK,
    },
    "GATrBlock": {**_STREAMS, **_ADDITIONAL, **_MASK, "reference_mv": "reference"},
    "GATr": {**_STREAMS, **_MASK, "join_reference": "join_reference"},
    "AxialGATr": {**_STREAMS, "join_reference": "join_reference"},
}
_NETWORKS = ("GATr", "AxialGATr")


def run(golden: GoldenFile) -> Case:
    metric = golden.meta.get("metric", METRIC)
    if [float(square) for square in metric] != METRIC:
        raise UnsupportedError(f"GATr lives in the metric {METRIC}, the file has {metric}")
    class_name = golden.meta["class"]
    if class_name.rsplit(".", 1)[-1] in CLASSES:
        return _run_module(golden, class_name)
    if class_name.startswith("gatr.experiments.nbody"):
        return run_nbody(golden)
    if class_name.startswith(("gatr.primitives", "gatr.interface", "gatr.layers", "gatr.utils")):
        return run_functions(golden)
    raise UnsupportedError(f"class {class_name!r}")


def _run_module(golden: GoldenFile, class_name: str) -> Case:
    config = golden.config
    values = {name: tensor.detach().clone() for name, tensor in golden.params.items()}
    module = load_reference("gatr", class_name, config, values).to(golden.device).eval()
    # The same conversion once more, differentiable, so that gradients come back in the reference's parametrisation.
    state = convert_reference_state("gatr", class_name, config, golden.params)
    loaded = module.state_dict()
    if loaded.keys() != state.keys() or any(not torch.equal(loaded[name], state[name]) for name in loaded):
        raise CliffnetError("load_reference and its differentiable form disagree")
    arguments = _arguments(class_name.rsplit(".", 1)[-1], golden, config)
    multivectors, scalars = functional_call(module, state, kwargs=arguments, strict=True)
    outputs = {"multivectors": multivectors}
    if scalars is not None:
        outputs["scalars"] = scalars
    return Case(outputs)


def _arguments(bare: str, golden: GoldenFile, config: dict[str, Any]) -> dict[str, Any]:
    known, arguments, masks = _ARGUMENTS[bare], {}, {}
    for name, tensor in golden.inputs.items():
        if name in known:
            arguments[known[name]] = tensor
        elif "mask" in name and bare == "AxialGATr":
            masks[name] = tensor
        else:
            raise UnsupportedError(f"{bare} with an input named {name!r}")
    if masks:
        arguments["attention_mask"] = _axial_masks(masks, arguments["multivectors"])
    if bare in _NETWORKS and "join_reference" not in arguments:
        arguments["join_reference"] = config.get("join_reference") or "data"
    return arguments


def _axial_masks(masks: dict[str, Tensor], multivectors: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Tell which mask is for which item axis, by the number in its name or else by its size."""
    numbers = {name: int(digits) for name in masks if (digits := "".join(filter(str.isdigit, name))[-1:])}
    pair: list[Tensor | None] = [None, None]
    if len(masks) == 2 and len(set(numbers.values())) == 2:
        for index, name in enumerate(sorted(numbers, key=lambda name: numbers[name])):
            pair[index] = masks[name]
        return pair[0], pair[1]
    sizes = multivectors.shape[-4:-2]
    for name, mask in masks.items():
        fitting = [axis for axis in (0, 1) if mask.shape[-1] == sizes[axis]]
        if len(fitting) == 2 and numbers.get(name) in (0, 1):
            fitting = [numbers[name]]
        for axis in fitting:
            pair[axis] = mask
    return pair[0], pair[1]
