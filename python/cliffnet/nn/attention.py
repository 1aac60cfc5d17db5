"""Attention layers over multivectors and scalars."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.nn.attention_features import comparison_plan, measures_distance
from cliffnet.nn.attention_functions import FUSED_FROM_KEYS, attend, common_width, compared_width
from cliffnet.nn.config import Compatibility, SelfAttentionConfig
from cliffnet.nn.dropout import GradeDropout
from cliffnet.nn.layout import cat_channels, check_multivectors, check_scalars
from cliffnet.nn.linear import EquivariantLinear
from cliffnet.nn.positional_encoding import RotaryPositionalEncoding
from cliffnet.ops import attention_features, attention_values, shared_key_attention

Streams = tuple[Tensor, Tensor | None]


def _total(*channels: int | None) -> int | None:
    """Sum of channel counts, None where nothing is left."""
    return sum(count or 0 for count in channels) or None


def _filled(multivectors: Tensor, scalars: Tensor | None, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tensors with empty ones for those that are not there."""
    nothing = multivectors.new_empty(0)
    return multivectors, nothing if scalars is None else scalars, nothing if weights is None else weights


class _AttentionLayer(nn.Module):
    """What self- and cross-attention share: head sizes, the attention itself and the output layer."""

    def __init__(
        self,
        mv_channels: int,
        scalar_channels: int | None,
        out_mv_channels: int,
        out_scalar_channels: int | None,
        config: SelfAttentionConfig,
        algebra: Algebra,
        compatibility: Compatibility,
    ) -> None:
        super().__init__()
        self.config, self.algebra, self.compatibility = config, algebra, compatibility
        self.heads = config.num_heads
        self.kv_heads = 1 if config.multi_query else config.num_heads
        self.hidden_mv_channels = config.hidden_mv_channels(mv_channels)
        self.hidden_scalar_channels = config.hidden_scalar_channels(scalar_channels)
        self.comparison = comparison_plan(algebra)
        extra = self.hidden_scalar_channels or 0
        self.compared = compared_width(self.hidden_mv_channels, extra, self.comparison)
        self.averaged = algebra.num_blades * self.hidden_mv_channels + extra
        self.distance_log_weights: nn.Parameter | None = None
        if measures_distance(algebra):
            self.distance_log_weights = nn.Parameter(torch.zeros(self.heads, self.hidden_mv_channels))
        self.out_linear = self._linear(
            self.hidden_mv_channels * self.heads,
            out_mv_channels,
            self._scalar_width(self.heads),
            out_scalar_channels,
            initialization=config.output_initialization,
        )
        self.dropout: GradeDropout | None = None
        if config.dropout_probability is not None:
            self.dropout = GradeDropout(config.dropout_probability, algebra=algebra)

    def _linear(self, *channels: int | None, **options: Any) -> EquivariantLinear:
        allow = self.compatibility.missing_scalars_are_dropped
        return EquivariantLinear(
            *channels,  # type: ignore[arg-type]  # the first two are never None
            algebra=self.algebra,
            allow_missing_scalars=allow,
            **options,
        )

    def _scalar_width(self, heads: int) -> int | None:
        return None if self.hidden_scalar_channels is None else heads * self.hidden_scalar_channels

    def _projection(self, mv_channels: int, scalar_channels: int | None, heads: int) -> EquivariantLinear:
        return self._linear(mv_channels, heads * self.hidden_mv_channels, scalar_channels, self._scalar_width(heads))

    def _features(
        self, streams: Streams, weights: Tensor | None, heads: tuple[int, int, int], items: int
    ) -> tuple[Tensor, ...]:
        """Turn a projection with so many heads of queries, keys and values into what attention reads."""
        width = common_width(items, self.compared, self.averaged)
        features: tuple[Tensor, ...] = attention_features(
            *_filled(*streams, weights), self.comparison, *heads, width, self.config.normalizer_epsilon
        )
        return features

    def _distance_weights(self) -> Tensor | None:
        return None if self.distance_log_weights is None else self.distance_log_weights.exp()

    def _attend_to_few(self, streams: Streams, weights: Tensor | None) -> Streams:
        """Attend to few keys that all heads share, straight from the projection."""
        mv, scalars, weights = _filled(*streams, weights)
        scale, epsilon = 1.0 / math.sqrt(self.compared), self.config.normalizer_epsilon
        return self._project(*shared_key_attention(mv, scalars, weights, scale, self.comparison, self.heads, epsilon))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Streams:
        outputs = attend(q, k, v, 1.0 / math.sqrt(self.compared), mask)
        scalar_channels = self.hidden_scalar_channels or 0
        return self._project(*attention_values(outputs, self.comparison, self.hidden_mv_channels, scalar_channels))

    def _project(self, multivectors: Tensor, hidden_scalars: Tensor) -> Streams:
        mv, scalars = self.out_linear(multivectors, hidden_scalars if self.hidden_scalar_channels else None)
        return (mv, scalars) if self.dropout is None else self.dropout(mv, scalars)


class SelfAttention(_AttentionLayer):
    """Geometric self-attention with multi-query or multi-head keys and values.

    Parameters
    ----------
    in_mv_channels, out_mv_channels : int
        Multivector channels.
    in_scalar_channels, out_scalar_channels : int or None
        Scalar channels, None where there are none.
    config : SelfAttentionConfig or dict, optional
        Options.
    algebra : Algebra
        Algebra of the multivectors.
    compatibility : Compatibility or str, optional
        Faults of a reference to reproduce.

    Notes
    -----
    Pin-equivariant, and equivariant under permutations of items where there is neither a mask nor a positional
    encoding. Brehmer et al. 2023, section 3.2.
    """

    def __init__(
        self,
        in_mv_channels: int,
        out_mv_channels: int,
        in_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        config: SelfAttentionConfig | dict[str, Any] | None = None,
        *,
        algebra: Algebra,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        config, compatibility = SelfAttentionConfig.cast(config), Compatibility.cast(compatibility)
        in_scalar_channels = in_scalar_channels or None
        super().__init__(
            in_mv_channels, in_scalar_channels, out_mv_channels, out_scalar_channels, config, algebra, compatibility
        )
        additional_mv, additional_scalars = config.additional_qk_mv_channels, config.additional_qk_scalar_channels
        qk_mv = in_mv_channels + additional_mv
        qk_scalars = _total(in_scalar_channels, additional_scalars)
        leak = compatibility.values_see_additional_features and not config.multi_query
        self.fused = leak or not (additional_mv or additional_scalars)
        heads, kv_heads = self.heads, self.kv_heads
        if self.fused:
            self.qkv_linear = self._projection(qk_mv, qk_scalars, heads + 2 * kv_heads)
        else:
            self.qk_linear = self._projection(qk_mv, qk_scalars, heads + kv_heads)
            self.v_linear = self._projection(in_mv_channels, in_scalar_channels, kv_heads)
        self.positional_encoding: RotaryPositionalEncoding | None = None
        if config.positional_encoding:
            if self.hidden_scalar_channels is None:
                raise ConfigError("positional_encoding acts on scalars, but this attention has no scalar channels")
            self.positional_encoding = RotaryPositionalEncoding(
                self.hidden_scalar_channels,
                config.positional_encoding_base,
                single_precision=compatibility.single_precision_frequencies,
            )

    def forward(
        self,
        multivectors: Tensor,
        scalars: Tensor | None = None,
        *,
        additional_qk_mv: Tensor | None = None,
        additional_qk_scalars: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Streams:
        """Attend over the items of (..., items, C, B) multivectors and (..., items, S) scalars.

        Parameters
        ----------
        multivectors : Tensor
            Shape (..., items, in_mv_channels, B).
        scalars : Tensor, optional
            Shape (..., items, in_scalar_channels).
        additional_qk_mv, additional_qk_scalars : Tensor, optional
            Features that only queries and keys see, as many channels as the config says.
        attention_mask : Tensor, optional
            Boolean (True = may attend) or additive; see :func:`geometric_attention` for its shapes.

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., items, out_mv_channels, B) and (..., items, out_scalar_channels).
        """
        qk_mv, qk_scalars = self._add_features(multivectors, scalars, additional_qk_mv, additional_qk_scalars)
        heads, kv_heads, items = self.heads, self.kv_heads, multivectors.shape[-3]
        weights = self._distance_weights()
        if self.fused:
            projection = self._encode(self.qkv_linear(qk_mv, qk_scalars))
            if attention_mask is None and kv_heads == 1 and items < FUSED_FROM_KEYS:
                return self._attend_to_few(projection, weights)
            q, k, v = self._features(projection, weights, (heads, kv_heads, kv_heads), items)
        else:
            projection = self._encode(self.qk_linear(qk_mv, qk_scalars))
            q, k, _ = self._features(projection, weights, (heads, kv_heads, 0), items)
            *_, v = self._features(self.v_linear(multivectors, scalars), None, (0, 0, kv_heads), items)
        return self._attend(q, k, v, attention_mask)

    def _encode(self, streams: Streams) -> Streams:
        """Encode the positions of queries and keys in their scalars."""
        mv, scalars = streams
        if self.positional_encoding is None or scalars is None or self.hidden_scalar_channels is None:
            return streams
        end = (self.heads + self.kv_heads) * self.hidden_scalar_channels
        encoded = scalars[..., :end].unflatten(-1, (-1, self.hidden_scalar_channels)).transpose(-3, -2)
        encoded = self.positional_encoding(encoded).transpose(-3, -2).flatten(-2)
        return mv, torch.cat((encoded, scalars[..., end:]), dim=-1)

    def _add_features(
        self, mv: Tensor, scalars: Tensor | None, more_mv: Tensor | None, more_scalars: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Append the additional features to the inputs of queries and keys."""
        mv_channels, scalar_channels = self.config.additional_qk_mv_channels, self.config.additional_qk_scalar_channels
        if (more_mv is None) != (mv_channels == 0):
            given = "None" if more_mv is None else f"of shape {tuple(more_mv.shape)}"
            raise ShapeError(f"additional_qk_mv is {given}; the config has {mv_channels} additional_qk_mv_channels")
        if more_mv is not None:
            check_multivectors(more_mv, mv_channels, self.algebra, "additional_qk_mv")
            mv = cat_channels((mv, more_mv.expand(*mv.shape[:-2], *more_mv.shape[-2:])))
        check_scalars(more_scalars, scalar_channels, mv.shape[:-2], "additional_qk_scalars")
        if more_scalars is not None:
            scalars = more_scalars if scalars is None else torch.cat((scalars, more_scalars), -1)
        return mv, scalars


class CrossAttention(_AttentionLayer):
    """Geometric attention of one set of items to another.

    The heads are sized by the channels of the keys and values.

    Parameters
    ----------
    q_mv_channels, kv_mv_channels, out_mv_channels : int
        Multivector channels of the queries' items, of the keys' and values' items, and of the output.
    q_scalar_channels, kv_scalar_channels, out_scalar_channels : int or None
        Scalar channels, None where there are none.
    config : SelfAttentionConfig or dict, optional
        Options; additional features and positional encoding do not exist here.
    algebra : Algebra
        Algebra of the multivectors.
    compatibility : Compatibility or str, optional
        Faults of a reference to reproduce.

    Notes
    -----
    Pin-equivariant.
    """

    def __init__(
        self,
        q_mv_channels: int,
        kv_mv_channels: int,
        out_mv_channels: int,
        q_scalar_channels: int | None = None,
        kv_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        config: SelfAttentionConfig | dict[str, Any] | None = None,
        *,
        algebra: Algebra,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        config, compatibility = SelfAttentionConfig.cast(config), Compatibility.cast(compatibility)
        for name in ("additional_qk_mv_channels", "additional_qk_scalar_channels", "positional_encoding"):
            if getattr(config, name):
                raise ConfigError(f"cross-attention has no {name}; leave it at its default")
        kv_scalar_channels = kv_scalar_channels or None
        super().__init__(
            kv_mv_channels, kv_scalar_channels, out_mv_channels, out_scalar_channels, config, algebra, compatibility
        )
        self.q_linear = self._projection(q_mv_channels, q_scalar_channels, self.heads)
        self.kv_linear = self._projection(kv_mv_channels, kv_scalar_channels, 2 * self.kv_heads)

    def forward(
        self,
        q_multivectors: Tensor,
        kv_multivectors: Tensor,
        q_scalars: Tensor | None = None,
        kv_scalars: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from queries to keys.

        Parameters
        ----------
        q_multivectors, kv_multivectors : Tensor
            Shapes (..., queries, q_mv_channels, B) and (..., keys, kv_mv_channels, B); leading axes of the latter
            may be 1.
        q_scalars, kv_scalars : Tensor, optional
            Shapes (..., queries, q_scalar_channels) and (..., keys, kv_scalar_channels).
        attention_mask : Tensor, optional
            Boolean (True = may attend) or additive; see :func:`geometric_attention` for its shapes.

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., queries, out_mv_channels, B) and (..., queries, out_scalar_channels).
        """
        items = kv_multivectors.shape[-3]
        projection = self.q_linear(q_multivectors, q_scalars)
        q, *_ = self._features(projection, self._distance_weights(), (self.heads, 0, 0), items)
        projection = self.kv_linear(kv_multivectors, kv_scalars)
        _, k, v = self._features(projection, None, (0, self.kv_heads, self.kv_heads), items)
        return self._attend(q, k, v, attention_mask)
