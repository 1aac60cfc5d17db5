"""What gravitating bodies and charged balls share: energies of pairs."""

import torch
from torch import Tensor


def pair_energy(strengths: Tensor, positions: Tensor) -> Tensor:
    r"""Return :math:`\sum_{i<j} s_i s_j / |x_i - x_j|`.

    Parameters
    ----------
    strengths : Tensor
        Masses or charges, shape ``(..., bodies)``.
    positions : Tensor
        Shape ``(..., bodies, 3)``.

    Returns
    -------
    Tensor
        Shape ``(...)``.
    """
    first, second = torch.triu_indices(strengths.shape[-1], strengths.shape[-1], offset=1)
    distance = torch.linalg.vector_norm(positions[..., first, :] - positions[..., second, :], dim=-1)
    energy: Tensor = (strengths[..., first] * strengths[..., second] / distance).sum(-1)
    return energy
