"""The transformer block of GATr, and how its parts are run."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as run_checkpointed

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.nn import (
    Compatibility,
    EquivariantLayerNorm,
    GeometricMLP,
    MLPConfig,
    SelfAttention,
    SelfAttentionConfig,
)
from cliffnet.nn.config import check_choice, check_dropout

Streams = tuple[Tensor, Tensor | None]


def check_parts(checkpoint: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return which parts to checkpoint, after checking their names."""
    if checkpoint is None:
        return ()
    parts = (checkpoint,) if isinstance(checkpoint, str) else tuple(checkpoint)
    for part in parts:
        check_choice("checkpoint", part, known)
    if "block" in parts and len(parts) > 1:
        raise ConfigError(f"checkpoint is {parts}; give either 'block' or some of 'attention' and 'mlp'")
    return parts


def run_part(function: Callable[..., Streams], checkpointed: bool, *args: Any, **kwargs: Any) -> Streams:
    """Call a part of the network, recomputing it in the backward pass if asked to."""
    if not checkpointed:
        return function(*args, **kwargs)
    outputs: Streams = run_checkpointed(function, *args, use_reentrant=False, **kwargs)
    return outputs


def _add(streams: Streams, change: Streams) -> Streams:
    """Residual connection of both streams."""
    scalars = None if streams[1] is None or change[1] is None else streams[1] + change[1]
    return streams[0] + change[0], scalars


class GATrBlock(nn.Module):
    """Transformer block: normalise, attend, add; normalise, geometric MLP, add.

    Parameters
    ----------
    mv_channels : int
        Multivector channels.
    scalar_channels : int or None
        Scalar channels, None for a block without scalars.
    attention : SelfAttentionConfig or dict, optional
        Options of attention; its output layer is initialised small whatever they say.
    mlp : MLPConfig or dict, optional
        Options of the MLP.
    dropout_probability : float or None
        Grade dropout in attention and MLP; None leaves it to their own options.
    checkpoint : sequence of {"attention", "mlp"}, optional
        Parts to recompute in the backward pass, to save memory.
    algebra : Algebra
        Algebra of the multivectors.
    compatibility : Compatibility or str, optional
        Faults of the reference to reproduce.

    Notes
    -----
    Pin-equivariant in multivectors, additional features and reference together.
    """

    def __init__(
        self,
        mv_channels: int,
        scalar_channels: int | None = None,
        attention: SelfAttentionConfig | dict[str, Any] | None = None,
        mlp: MLPConfig | dict[str, Any] | None = None,
        dropout_probability: float | None = None,
        checkpoint: Sequence[str] | None = None,
        *,
        algebra: Algebra,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        attention_config, mlp_config = SelfAttentionConfig.cast(attention), MLPConfig.cast(mlp)
        compatibility = Compatibility.cast(compatibility)
        dropout = check_dropout(dropout_probability)
        if dropout is not None:
            attention_config = attention_config.replace(dropout_probability=dropout)
            mlp_config = mlp_config.replace(dropout_probability=dropout)
        self.checkpoint = check_parts(checkpoint, ("attention", "mlp"))
        self.norm = EquivariantLayerNorm(algebra)
        self.attention = SelfAttention(
            mv_channels,
            mv_channels,
            scalar_channels,
            scalar_channels,
            attention_config.replace(output_initialization="small"),
            algebra=algebra,
            compatibility=compatibility,
        )
        self.mlp = GeometricMLP(
            mlp_config.widths(mv_channels),
            None if scalar_channels is None else mlp_config.widths(scalar_channels),
            algebra=algebra,
            activation=mlp_config.activation,
            dropout_probability=mlp_config.dropout_probability,
            compatibility=compatibility,
        )

    def forward(
        self,
        multivectors: Tensor,
        scalars: Tensor | None = None,
        *,
        reference: Tensor,
        additional_qk_mv: Tensor | None = None,
        additional_qk_scalars: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Streams:
        """Transform (..., items, C, B) multivectors and (..., items, S) scalars; shapes stay."""
        streams = (multivectors, scalars)
        attended = run_part(
            self._attend,
            "attention" in self.checkpoint,
            *streams,
            additional_qk_mv=additional_qk_mv,
            additional_qk_scalars=additional_qk_scalars,
            attention_mask=attention_mask,
        )
        streams = _add(streams, attended)
        return _add(streams, run_part(self._mix, "mlp" in self.checkpoint, *streams, reference=reference))

    def _attend(self, multivectors: Tensor, scalars: Tensor | None, **options: Tensor | None) -> Streams:
        outputs: Streams = self.attention(*self.norm(multivectors, scalars), **options)
        return outputs

    def _mix(self, multivectors: Tensor, scalars: Tensor | None, reference: Tensor) -> Streams:
        outputs: Streams = self.mlp(*self.norm(multivectors, scalars), reference=reference)
        return outputs
