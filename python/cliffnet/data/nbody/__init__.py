"""Gravitating bodies: simulator, data sets, and the embedding used by equivariant networks."""

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
    "DT",
    "GRAVITY_SETS",
    "STEPS",
    "GravitySet",
    "Simulation",
    "accelerations",
    "draw_systems",
    "embed_bodies",
    "extract_positions",
    "generate_gravity",
    "load_gravity",
    "prediction_loss",
    "prediction_losses",
    "simulate",
    "total_energy",
]
