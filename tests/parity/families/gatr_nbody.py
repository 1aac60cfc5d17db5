"""GATr's n-body experiment: simulator, embedding, extraction and loss."""

import torch

from cliffnet.data.nbody import accelerations, embed_bodies, extract_positions, prediction_losses, simulate
from families.golden import Case, GoldenFile


def run_nbody(golden: GoldenFile) -> Case:
    inputs, config, outputs = golden.inputs, golden.config, {}
    positions = regulariser = None
    if "embed.inputs" in inputs:
        bodies = inputs["embed.inputs"]
        outputs["embedded"] = embed_bodies(bodies)
        with torch.no_grad():
            masses, start, velocities = bodies[..., 0], bodies[..., 1:4], bodies[..., 4:7]
            steps, time = int(config.get("time_steps", 100)), float(config.get("time", 0.1))
            result = simulate(masses, start, velocities, steps, time / steps, record_every=max(steps // 10, 1))
            outputs["accelerations_initial"] = accelerations(masses, start)
            outputs["x_final"] = result.positions
            if result.trajectory is not None:
                outputs["trajectory_every_10"] = result.trajectory
    if "extract.multivectors" in inputs:
        positions, regulariser = extract_positions(inputs["extract.multivectors"], inputs.get("extract.scalars"))
        outputs |= {"points": positions, "reg": regulariser}
    if positions is not None and regulariser is not None and "target" in inputs:
        outputs["loss"] = prediction_losses(positions, inputs["target"], regulariser).mean()
    return Case(outputs)
