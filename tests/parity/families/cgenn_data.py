"""Data of the CGENN and EGNN experiments: the charged simulator, targets of generated sets, the learning rates."""

import torch
from torch import Tensor

from cliffnet.data import measure_hulls, regression_statistics, regression_target, signed_volumes
from cliffnet.data.nbody import simulate_charged
from cliffnet.training import warmup_cosine
from families.golden import Case, GoldenFile, MalformedFileError, Measure, UnsupportedError

_TRAJECTORY_BAR = 1e-6
_NUDGE = 1e-14
_NUDGED_RUNS = 4
_AMPLIFICATION = 10.0


def run(golden: GoldenFile) -> Case:
    class_name = golden.meta["class"]
    if class_name == "ChargedParticlesSim.sample_trajectory":
        return _simulator(golden)
    if class_name == "CosineAnnealingLR":
        return _learning_rates(golden)
    return _targets(golden)


def _simulator(golden: GoldenFile) -> Case:
    frames, every = golden.config["frames"], int(golden.config.get("sample_freq", 100))
    if every != 100:
        raise UnsupportedError(f"a trajectory recorded every {every} steps")
    # always in double precision: rounding the initial state would be a nudge far beyond the bar
    state = {name: torch.from_numpy(array).double() for name, array in golden.groups["in"].items()}
    charges, positions, velocities = state["charges"].squeeze(-1), state["loc0"].mT, state["vel0"].mT
    ours = simulate_charged(charges, positions, velocities, frames)
    spread = _sensitivity(charges, positions, velocities, frames, ours)
    outputs, measures = {}, {}
    for name, value, unsure in zip(("loc", "vel"), ours, spread, strict=True):
        outputs[name] = value.mT
        theirs = torch.from_numpy(golden.groups["out"][name])
        if theirs.shape == value.mT.shape:
            scale = (_AMPLIFICATION * unsure / _TRAJECTORY_BAR).clamp(min=1)
            worst = ((value.mT - theirs).abs().amax((-1, -2)) / scale).max().item()
            measures[name] = Measure(worst, _TRAJECTORY_BAR)
    return Case(outputs, measures)


def _sensitivity(charges: Tensor, positions: Tensor, velocities: Tensor, frames: list[int], ours) -> list[Tensor]:
    """How far a nudge of 1e-14 carries each system away by each frame: close encounters amplify any rounding error."""
    generator = torch.Generator().manual_seed(0)
    spread = [value.new_zeros(value.shape[:2]) for value in ours]
    for _ in range(_NUDGED_RUNS):
        nudge = _NUDGE * torch.randn(positions.shape, generator=generator, dtype=positions.dtype)
        other = simulate_charged(charges, positions + nudge, velocities, frames)
        spread = [
            torch.maximum(so_far, (far - value).abs().amax((-1, -2)))
            for so_far, far, value in zip(spread, other, ours, strict=True)
        ]
    return spread


def _learning_rates(golden: GoldenFile) -> Case:
    config, finals = golden.config, {"lr_cgenn": golden.config.get("eta_min", 1e-7), "lr_csmpn": 0.0}
    steps, sizes = config["max_steps"], (config["warmup_steps"], config["decay_steps"])
    return Case(
        {
            name: torch.tensor(
                [warmup_cosine(step, steps, config["base_lr"], final, *sizes) for step in range(steps)],
                dtype=torch.float64,
            )
            for name, final in finals.items()
        }
    )


def _targets(golden: GoldenFile) -> Case:
    outputs: dict[str, Tensor] = {}
    for name, value in golden.inputs.items():
        if name == "o3_points":
            outputs["o3_target"] = signed_volumes(value)
        elif name.startswith("hull_"):
            volumes, facets = measure_hulls(value)
            outputs |= {f"{name}_volume": volumes, f"{name}_n_facets": facets}
        elif name.startswith("o") and name.endswith("_X"):
            outputs |= _regression(name.removesuffix("_X"), value)
        else:
            raise MalformedFileError(f"no target is made of in/{name}")
    return Case(outputs)


def _regression(prefix: str, flat: Tensor) -> dict[str, Tensor]:
    vectors = flat.unflatten(-1, (2, -1))
    target = regression_target(vectors)
    scale, mean, std = regression_statistics(vectors, target)
    return {
        f"{prefix}_Y": target.unsqueeze(-1),
        f"{prefix}_Xscale": scale.repeat_interleave(vectors.shape[-1]),
        f"{prefix}_Ymean": mean.reshape(1),
        f"{prefix}_Ystd": std.reshape(1),
    }
