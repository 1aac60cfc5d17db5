"""Rotary positional encoding of scalar channels."""

import torch
from torch import Tensor, nn

from cliffnet.errors import ConfigError, ShapeError


class RotaryPositionalEncoding(nn.Module):
    r"""Rotate pairs of scalar channels by angles proportional to the position along the item axis.

    .. math:: (s_i, s_{i + n/2}) \mapsto R(t\, \omega_i)\,(s_i, s_{i + n/2}), \qquad \omega_i = \text{base}^{-2i/n}

    for the item at position t, so that dot products of encoded queries and keys depend on differences of
    positions only. Su et al., arXiv:2104.09864.

    Parameters
    ----------
    channels : int
        Even number n of channels.
    base : float
        Base of the frequencies.
    single_precision : bool
        Round the frequencies to float32 whatever the dtype of the data.
    """

    def __init__(self, channels: int, base: float = 4096.0, *, single_precision: bool = False) -> None:
        super().__init__()
        if channels < 2 or channels % 2:
            raise ConfigError(f"rotary positional encoding has {channels} channels; give a positive even number")
        self.channels, self.base = channels, base
        # Plain numbers rather than a buffer: casting a model to half precision must not round them.
        if single_precision:
            exponents = torch.arange(0, channels, 2).float() / channels
            self.frequencies = tuple((1.0 / base**exponents).tolist())
        else:
            self.frequencies = tuple(base ** (-index / channels) for index in range(0, channels, 2))

    def forward(self, scalars: Tensor) -> Tensor:
        """Encode scalars of shape (..., items, channels)."""
        if scalars.dim() < 2 or scalars.shape[-1] != self.channels:
            raise ShapeError(f"scalars have shape {tuple(scalars.shape)}; expected (..., items, {self.channels})")
        wide = torch.float64 if scalars.dtype == torch.float64 else torch.float32
        frequencies = torch.tensor(self.frequencies, dtype=wide, device=scalars.device)
        positions = torch.arange(scalars.shape[-2], dtype=wide, device=scalars.device)
        angles = positions[:, None] * frequencies
        cosine, sine = angles.cos().to(scalars.dtype), angles.sin().to(scalars.dtype)
        first, second = scalars.chunk(2, dim=-1)
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{self.channels}, base={self.base}"
