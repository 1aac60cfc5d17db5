"""EGNN: layers and networks by ``load_reference``."""

from torch.func import functional_call

from cliffnet.errors import CliffnetError
from cliffnet.interop import load_reference
from cliffnet.interop.reference import convert_reference_state
from families.golden import Case, GoldenFile, UnsupportedError

# Input names in golden files -> arguments of our forward; the order of the rows of edge_index differs.
_ARGUMENTS = {
    "h": "features",
    "x": "points",
    "vel": "velocities",
    "edge_attr": "edge_attributes",
    "node_attr": "node_attributes",
}


def run(golden: GoldenFile) -> Case:
    class_name, config = golden.meta["class"], golden.config
    values = {name: tensor.detach().clone() for name, tensor in golden.params.items()}
    module = load_reference("egnn", class_name, config, values).to(golden.device)
    state = convert_reference_state("egnn", class_name, config, golden.params)
    if module.state_dict().keys() != state.keys():
        raise CliffnetError("load_reference and its differentiable form disagree")
    arguments = {}
    for name, tensor in golden.inputs.items():
        if name == "edge_index":
            arguments["edge_index"] = tensor.flip(0)
        elif name in _ARGUMENTS:
            arguments[_ARGUMENTS[name]] = tensor
        else:
            raise UnsupportedError(f"{class_name} with an input named {name!r}")
    result = functional_call(module, state, kwargs=arguments, strict=True)
    if isinstance(result, tuple):
        return Case(dict(zip(("h", "x"), result, strict=True)))
    return Case({"x": result})
