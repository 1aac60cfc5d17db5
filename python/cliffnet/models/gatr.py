"""GATr, the geometric algebra transformer: Brehmer, de Haan, Behrends, Cohen, NeurIPS 2023, arXiv:2305.18415.

The architecture is stated for Cl(3,0,1) but nothing in it is tied to that algebra: linear maps, invariants and the
orientation of the join come from the algebra given. Distances enter attention in the projective algebras Cl(p,0,1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.models._gatr_block import GATrBlock, Streams, check_parts, run_part
from cliffnet.nn import (
    Compatibility,
    EquivariantLinear,
    MLPConfig,
    SelfAttentionConfig,
)
from cliffnet.nn.attention_features import volume_blade
from cliffnet.nn.config import Config, check_dropout
from cliffnet.nn.layout import check_multivectors


@dataclass(frozen=True)
class GATrConfig(Config):
    """Options of :class:`GATr` as plain values; see there for what they mean."""

    in_mv_channels: int = 1
    out_mv_channels: int = 1
    hidden_mv_channels: int = 16
    in_scalar_channels: int | None = None
    out_scalar_channels: int | None = None
    hidden_scalar_channels: int | None = None
    attention: SelfAttentionConfig = field(default_factory=SelfAttentionConfig)
    mlp: MLPConfig = field(default_factory=MLPConfig)
    num_blocks: int = 10
    reinsert_mv_channels: tuple[int, ...] | None = None
    reinsert_scalar_channels: tuple[int, ...] | None = None
    dropout_probability: float | None = None
    checkpoint: tuple[str, ...] | None = None
    algebra: str = "Cl(3,0,1)"
    compatibility: Compatibility = field(default_factory=Compatibility)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attention", SelfAttentionConfig.cast(self.attention))
        object.__setattr__(self, "mlp", MLPConfig.cast(self.mlp))
        object.__setattr__(self, "compatibility", Compatibility.cast(self.compatibility))
        object.__setattr__(self, "algebra", str(self.algebra))
        object.__setattr__(self, "dropout_probability", check_dropout(self.dropout_probability))
        for name in ("reinsert_mv_channels", "reinsert_scalar_channels", "checkpoint"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        check_channel_counts(
            in_mv_channels=self.in_mv_channels,
            out_mv_channels=self.out_mv_channels,
            hidden_mv_channels=self.hidden_mv_channels,
            num_blocks=self.num_blocks,
        )


def check_channel_counts(**counts: object) -> None:
    """Raise :class:`ConfigError` unless all counts are positive whole numbers."""
    for name, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ConfigError(f"{name} is {count!r}; give a whole number of at least 1")


def join_reference_multivector(
    reference: Tensor | str, multivectors: Tensor, item_axes: int, algebra: Algebra, compatibility: Compatibility
) -> Tensor:
    """Return the multivector that orients the joins, broadcasting with (..., items, channels, B).

    Parameters
    ----------
    reference : {"data", "canonical"} or Tensor
        ``"data"`` is the mean of the input over items and channels, per sample; ``"canonical"`` is the product of
        all generators that are not null plus the pseudoscalar, which breaks mirror symmetry; a tensor is used as
        it is.
    multivectors : Tensor
        Input of the network, shape (..., items, channels, B).
    item_axes : int
        Number of item axes in front of the channels.
    algebra : Algebra
        Algebra of the multivectors.
    compatibility : Compatibility
        Whether the mean is taken as GATr 1.4.3 takes it.

    Returns
    -------
    Tensor
        Shape (..., B).

    Raises
    ------
    ConfigError
        If the name is unknown.
    ShapeError
        If a tensor does not broadcast with the input.
    """
    if isinstance(reference, Tensor):
        expected = (*multivectors.shape[:-2], 1, algebra.num_blades)
        lead = reference.shape[:-2]
        fits = reference.dim() >= 1 and reference.shape[-1] == algebra.num_blades and len(lead) <= len(expected) - 2
        aligned = zip(reversed(lead), reversed(expected[:-2]), strict=False)
        if not fits or any(size not in (1, extent) for size, extent in aligned) or reference.shape[-2:-1] > (1,):
            raise ShapeError(
                f"join_reference has shape {tuple(reference.shape)}; it must broadcast with {expected}, for instance "
                f"one multivector a sample, {(*expected[: -2 - item_axes], *(1,) * item_axes, *expected[-2:])}"
            )
        return reference
    if reference == "data":
        axes = list(range(-2 - item_axes, -1))
        if compatibility.mean_keeps_outer_axes:
            axes = list(range(1, multivectors.dim() - 1))
        return multivectors.mean(dim=axes, keepdim=True)
    if reference == "canonical":
        canonical = torch.zeros(algebra.num_blades, dtype=multivectors.dtype, device=multivectors.device)
        canonical[[volume_blade(algebra), -1]] = 1.0
        return canonical
    raise ConfigError(f"join_reference is {reference!r}; give 'data', 'canonical' or a tensor (..., B)")


class GATr(nn.Module):
    """Geometric algebra transformer over one item axis.

    An equivariant linear layer, ``num_blocks`` blocks of geometric attention and geometric MLP, and an equivariant
    linear layer.

    Parameters
    ----------
    in_mv_channels, out_mv_channels, hidden_mv_channels : int
        Multivector channels of input, output and blocks.
    in_scalar_channels, out_scalar_channels, hidden_scalar_channels : int or None
        Scalar channels of input, output and blocks, each None where there are none.
    attention : SelfAttentionConfig or dict, optional
        Options of attention.
    mlp : MLPConfig or dict, optional
        Options of the MLPs.
    num_blocks : int
        Number of blocks.
    reinsert_mv_channels, reinsert_scalar_channels : sequence of int, optional
        Input channels that queries and keys of every block see again.
    dropout_probability : float or None
        Grade dropout in every block.
    checkpoint : sequence of str, optional
        What to recompute in the backward pass: ``("block",)`` or some of ``"attention"`` and ``"mlp"``.
    algebra : Algebra, optional
        Algebra of the multivectors; Cl(3,0,1) if not given.
    compatibility : Compatibility or str, optional
        Faults of the reference to reproduce, ``"gatr-1.4.3"`` for all of them.

    Notes
    -----
    Pin-equivariant: ``f(g.x, s) = (g.y, t)`` where ``f(x, s) = (y, t)``, for join references ``"data"`` and
    tensors that are transformed along. Brehmer et al. 2023, Fig. 2.

    Examples
    --------
    >>> net = GATr(in_mv_channels=1, out_mv_channels=1, hidden_mv_channels=4, num_blocks=1)
    >>> mv, scalars = net(torch.randn(2, 5, 1, 16))
    >>> mv.shape, scalars
    (torch.Size([2, 5, 1, 16]), None)
    """

    def __init__(
        self,
        in_mv_channels: int,
        out_mv_channels: int,
        hidden_mv_channels: int,
        in_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        hidden_scalar_channels: int | None = None,
        attention: SelfAttentionConfig | dict[str, Any] | None = None,
        mlp: MLPConfig | dict[str, Any] | None = None,
        num_blocks: int = 10,
        reinsert_mv_channels: Sequence[int] | None = None,
        reinsert_scalar_channels: Sequence[int] | None = None,
        dropout_probability: float | None = None,
        checkpoint: Sequence[str] | None = None,
        *,
        algebra: Algebra | None = None,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        check_channel_counts(
            in_mv_channels=in_mv_channels,
            out_mv_channels=out_mv_channels,
            hidden_mv_channels=hidden_mv_channels,
            num_blocks=num_blocks,
        )
        self.algebra = Algebra(3, 0, 1) if algebra is None else algebra
        self.compatibility = Compatibility.cast(compatibility)
        self.in_mv_channels = in_mv_channels
        self.reinsert_mv_channels = _check_indices("reinsert_mv_channels", reinsert_mv_channels, in_mv_channels)
        self.reinsert_scalar_channels = _check_indices(
            "reinsert_scalar_channels", reinsert_scalar_channels, in_scalar_channels or 0
        )
        parts = check_parts(checkpoint, ("block", "attention", "mlp"))
        self.checkpoint_blocks = "block" in parts
        attention_config = SelfAttentionConfig.cast(attention).replace(
            additional_qk_mv_channels=len(self.reinsert_mv_channels),
            additional_qk_scalar_channels=len(self.reinsert_scalar_channels),
        )
        allow = self.compatibility.missing_scalars_are_dropped
        self.linear_in = EquivariantLinear(
            in_mv_channels,
            hidden_mv_channels,
            in_scalar_channels,
            hidden_scalar_channels,
            algebra=self.algebra,
            allow_missing_scalars=allow,
        )
        self.blocks = nn.ModuleList(
            GATrBlock(
                hidden_mv_channels,
                hidden_scalar_channels,
                attention_config,
                mlp,
                dropout_probability,
                None if self.checkpoint_blocks else parts,
                algebra=self.algebra,
                compatibility=self.compatibility,
            )
            for _ in range(num_blocks)
        )
        self.linear_out = EquivariantLinear(
            hidden_mv_channels, out_mv_channels, hidden_scalar_channels, out_scalar_channels, algebra=self.algebra
        )

    @classmethod
    def from_config(cls, config: GATrConfig | dict[str, Any]) -> "GATr":
        """Build the network that a :class:`GATrConfig`, or a dict of its options, describes."""
        config = GATrConfig.cast(config)
        options = {item.name: getattr(config, item.name) for item in fields(config) if item.name != "algebra"}
        return cls(**options, algebra=Algebra.from_string(config.algebra))

    def forward(
        self,
        multivectors: Tensor,
        scalars: Tensor | None = None,
        attention_mask: Tensor | None = None,
        join_reference: Tensor | str = "data",
    ) -> Streams:
        """Transform multivectors and scalars.

        Parameters
        ----------
        multivectors : Tensor
            Shape (..., items, in_mv_channels, B).
        scalars : Tensor, optional
            Shape (..., items, in_scalar_channels).
        attention_mask : Tensor, optional
            Boolean (True = may attend) or additive, of shape (items, items), (..., 1, items, items) or
            (..., heads, items, items).
        join_reference : {"data", "canonical"} or Tensor
            What orients the joins; see :func:`join_reference_multivector`.

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., items, out_mv_channels, B) and (..., items, out_scalar_channels).

        Raises
        ------
        ShapeError
            If an input does not fit the network.
        """
        check_multivectors(multivectors, self.in_mv_channels, self.algebra)
        if multivectors.dim() < 3:
            raise ShapeError(f"multivectors have shape {tuple(multivectors.shape)}; expected (..., items, channels, B)")
        reference = join_reference_multivector(join_reference, multivectors, 1, self.algebra, self.compatibility)
        multivectors = F.to_blade_major(multivectors)
        additional_mv = additional_scalars = None
        if self.reinsert_mv_channels:
            additional_mv = multivectors[..., self.reinsert_mv_channels, :]
        streams: Streams = self.linear_in(multivectors, scalars)
        if self.reinsert_scalar_channels and scalars is not None:
            additional_scalars = scalars[..., self.reinsert_scalar_channels]
        for block in self.blocks:
            streams = run_part(
                block,
                self.checkpoint_blocks,
                *streams,
                reference=reference,
                additional_qk_mv=additional_mv,
                additional_qk_scalars=additional_scalars,
                attention_mask=attention_mask,
            )
        outputs: Streams = self.linear_out(*streams)
        return outputs


def _check_indices(name: str, indices: Sequence[int] | None, channels: int) -> list[int]:
    """Return the channel indices as a list, after checking that the channels exist."""
    listed = [] if indices is None else list(indices)
    for index in listed:
        if not isinstance(index, int) or isinstance(index, bool) or not -channels <= index < channels:
            raise ConfigError(f"{name} has {index!r}, but the network has {channels} such input channels")
    return listed
