"""Gravitating bodies and charged balls: simulators, data sets, and the embedding used by equivariant networks."""

from cliffnet.data.nbody._charged import (
    ChargedFrames,
    charged_energy,
    coulomb_forces,
    reflect_into_box,
    simulate_charged,
)
from cliffnet.data.nbody._charged_sets import (
    CHARGED_SETS,
    ChargedSet,
    draw_charged,
    generate_charged,
    load_charged,
)
from cliffnet.data.nbody._embedding import embed_bodies, extract_positions, prediction_loss, prediction_losses
from cliffnet.data.nbody._gravity import (
    DT,
    GRAVITY_SETS,
    STEPS,
    GravitySet,
    draw_systems,
    generate_gravity,
    load_gravity,
)
from cliffnet.data.nbody._simulation import Simulation, accelerations, simulate, total_energy

__all__ = [
    "CHARGED_SETS",
    "DT",
    "GRAVITY_SETS",
    "STEPS",
    "ChargedFrames",
    "ChargedSet",
    "GravitySet",
    "Simulation",
    "accelerations",
    "charged_energy",
    "coulomb_forces",
    "draw_charged",
    "draw_systems",
    "embed_bodies",
    "extract_positions",
    "generate_charged",
    "generate_gravity",
    "load_charged",
    "load_gravity",
    "prediction_loss",
    "prediction_losses",
    "reflect_into_box",
    "simulate",
    "simulate_charged",
    "total_energy",
]
