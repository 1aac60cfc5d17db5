"""A Lorentz-invariant function of four momenta, with sets whose events move slowly or fast past the detector."""

import math
from pathlib import Path

import torch
from torch import Tensor

from cliffnet.data._splits import load_split, normal_samples
from cliffnet.errors import ShapeError

LORENTZ_SETS = {
    "train": (0.0, 1.0),
    "val": (0.0, 1.0),
    "eval": (0.0, 1.0),
    "boosted": (2.0, 3.0),
}
"""Rapidities between which the common boost of an event is drawn, by set."""

_PARTICLES = 4
_LOG_MASS = math.log(2.0)  # masses are log-uniform in [1/2, 2]
_VERSION = 1  # raise it when the generator changes, so that older caches are not used


def minkowski_product(first: Tensor, second: Tensor) -> Tensor:
    """Return ``E E' - p . p'`` of momenta ``(E, px, py, pz)`` on the last axis."""
    product: Tensor = first[..., 0] * second[..., 0] - (first[..., 1:] * second[..., 1:]).sum(-1)
    return product


def lorentz_target(momenta: Tensor) -> Tensor:
    r"""Return an invariant of four momenta that looks at their total mass, a momentum transfer and a relative speed.

    :math:`\sin\sqrt{(p_1 + p_2 + p_3 + p_4)^2} + \tfrac12 \operatorname{arsinh} (p_1 - p_3)^2 - \ln \gamma_{24}`, where
    :math:`\gamma_{24} = p_2 \cdot p_4 / (m_2 m_4)` is the Lorentz factor of particle 2 as seen by particle 4.

    Parameters
    ----------
    momenta : Tensor
        Shape ``(..., 4, 4)``: four particles, ``(E, px, py, pz)``, of positive mass and energy.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under the Lorentz group O(1, 3), not under permutations.

    Raises
    ------
    ShapeError
        If there are not four momenta of four components.

    Examples
    --------
    >>> at_rest = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(4, 4)
    >>> round(lorentz_target(at_rest).item(), 4)  # sin(4)
    -0.7568
    """
    if momenta.shape[-2:] != (_PARTICLES, 4):
        raise ShapeError(f"momenta have shape {tuple(momenta.shape)}; expected (..., 4, 4): four of (E, px, py, pz)")
    first, second, third, fourth = momenta.unbind(-2)
    total = momenta.sum(-2)
    masses = minkowski_product(second, second) * minkowski_product(fourth, fourth)
    gamma = minkowski_product(second, fourth) / masses.sqrt()
    transfer = minkowski_product(first - third, first - third)
    target: Tensor = minkowski_product(total, total).sqrt().sin() + 0.5 * transfer.asinh() - gamma.log()
    return target


def boost(momenta: Tensor, velocity: Tensor) -> Tensor:
    r"""Return momenta as seen by an observer who moves with minus the velocity.

    :math:`E' = \gamma (E + v \cdot p)`, :math:`p' = p + v (\gamma E + \frac{\gamma^2}{1 + \gamma} v \cdot p)`.

    Parameters
    ----------
    momenta : Tensor
        Shape ``(..., 4)``.
    velocity : Tensor
        In units of the speed of light, shape ``(..., 3)``.

    Returns
    -------
    Tensor
        Shape ``(..., 4)``; a particle at rest gets the velocity.
    """
    gamma = (1 - velocity.square().sum(-1, keepdim=True)).rsqrt()
    energy, momentum = momenta[..., :1], momenta[..., 1:]
    along = (velocity * momentum).sum(-1, keepdim=True)
    moved = momentum + velocity * (gamma * energy + gamma**2 / (1 + gamma) * along)
    return torch.cat([gamma * (energy + along), moved], dim=-1)


def load_lorentz_invariants(
    set_name: str, num_samples: int, *, seed: int = 42, folder: Path | None = None
) -> dict[str, Tensor]:
    """Return events of four particles with :func:`lorentz_target`, generated at the first call and cached.

    Masses are log-uniform in [1/2, 2] and momenta N(0, I); the whole event is then boosted in a uniform direction, by
    a rapidity that is uniform in [0, 1], or in [2, 3] in the set ``"boosted"``, whose energies are about five times as
    large.

    Parameters
    ----------
    set_name : str
        One of :data:`LORENTZ_SETS`.
    num_samples, seed : int
        Size of the set, seed of all sets.
    folder : Path, optional
        Cache folder.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, 4, 4)``: momenta ``(E, px, py, pz)``; ``target`` of shape ``(samples,)``. Both
        float64.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If the number of samples is not positive.
    """

    def generate(generator: torch.Generator) -> dict[str, Tensor]:
        slowest, fastest = LORENTZ_SETS[set_name]
        normal = normal_samples(num_samples, _PARTICLES + 1, 4, generator=generator)
        share = torch.special.ndtr(normal[..., 0])  # uniform in [0, 1]
        mass = ((2 * share[:, :_PARTICLES] - 1) * _LOG_MASS).exp()
        momentum, direction = normal[:, :_PARTICLES, 1:], normal[:, _PARTICLES:, 1:]
        energy = (mass.square() + momentum.square().sum(-1)).sqrt()
        speed = (slowest + (fastest - slowest) * share[:, _PARTICLES:]).tanh().unsqueeze(-1)
        velocity = speed * direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
        momenta = boost(torch.cat([energy.unsqueeze(-1), momentum], dim=-1), velocity)
        return {"inputs": momenta, "target": lorentz_target(momenta)}

    return load_split(
        "lorentz-invariants", _VERSION, set_name, num_samples, seed, generate, folder=folder, sets=tuple(LORENTZ_SETS)
    )
