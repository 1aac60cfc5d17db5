"""Bodies as multivectors of Cl(3,0,1), and predictions read back from them (spec of GATr's n-body experiment)."""

from torch import Tensor

from cliffnet.errors import ShapeError
from cliffnet.geometry import pga3d

_REGULARISER_WEIGHT = 0.01


def embed_bodies(inputs: Tensor) -> Tensor:
    """Embed mass, position and velocity of each body in one multivector of Cl(3,0,1).

    The sum of the scalar ``m``, the point ``x`` and the translation by ``v``; the scalar component is ``m + 1``.

    Parameters
    ----------
    inputs : Tensor
        Shape ``(..., bodies, 7)``: mass, position, velocity.

    Returns
    -------
    Tensor
        Shape ``(..., bodies, 1, 16)``. Commutes with E(3) up to the sign that a reflection gives to points.

    Raises
    ------
    ShapeError
        If the last axis does not have 7 entries.
    """
    if inputs.shape[-1:] != (7,):
        raise ShapeError(f"bodies have shape {tuple(inputs.shape)}; expected (..., 7): mass, position, velocity")
    mass, position, velocity = inputs[..., :1], inputs[..., 1:4], inputs[..., 4:]
    body = pga3d.embed_scalar(mass) + pga3d.embed_point(position) + pga3d.embed_translation(velocity)
    return body.unsqueeze(-2)


def extract_positions(multivectors: Tensor, scalars: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Read predicted positions, and how far the outputs are from being points.

    The regulariser is :math:`\sum_{\text{bodies}} (|x_{123}| - 1)^2 + \sum s^2`.

    Parameters
    ----------
    multivectors : Tensor
        Network outputs, shape ``(..., bodies, channels, 16)``; channel 0 is read.
    scalars : Tensor, optional
        Scalar outputs, shape ``(..., bodies, scalar_channels)``.

    Returns
    -------
    positions : Tensor
        Shape ``(..., bodies, 3)``.
    regulariser : Tensor
        Shape ``(...)``. Invariant under E(3).
    """
    point = multivectors[..., 0, :]
    regulariser = pga3d.point_regularizer(point).square().sum((-1, -2))
    if scalars is not None:
        regulariser = regulariser + scalars.square().sum((-1, -2))
    return pga3d.extract_point(point), regulariser


def prediction_loss(positions: Tensor, target: Tensor, regulariser: Tensor) -> Tensor:
    """Return the training loss: mean squared error plus 0.01 times the mean regulariser.

    Parameters
    ----------
    positions, target : Tensor
        Predicted and true positions, shape ``(samples, bodies, 3)``.
    regulariser : Tensor
        Shape ``(samples,)``.

    Returns
    -------
    Tensor
        Scalar. :func:`prediction_losses` gives it for each sample.
    """
    return prediction_losses(positions, target, regulariser).mean()


def prediction_losses(positions: Tensor, target: Tensor, regulariser: Tensor) -> Tensor:
    """Return the loss of each sample; the mean over samples is :func:`prediction_loss`."""
    return (positions - target).square().mean((-1, -2)) + _REGULARISER_WEIGHT * regulariser
