"""Attention between multivectors as functions; the layers are in :mod:`cliffnet.nn.attention`."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import AlgebraMismatchError, ConfigError, ShapeError
from cliffnet.nn._mask import prepare_mask
from cliffnet.nn.attention_features import comparison_plan, inner_product_blades, measures_distance
from cliffnet.ops import attention_features
from cliffnet.reference import comparison_of

Streams = tuple[Tensor, Tensor | None]

# From this many keys on it pays to pad features to one width, which torch's fused CPU kernel asks for.
FUSED_FROM_KEYS = 64


def geometric_attention(
    q_mv: Tensor,
    k_mv: Tensor,
    v_mv: Tensor,
    q_scalars: Tensor | None,
    k_scalars: Tensor | None,
    v_scalars: Tensor | None,
    algebra: Algebra,
    *,
    weights: Tensor | None = None,
    normalizer_epsilon: float = 1e-3,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    r"""Distance-aware attention over multivectors and scalars.

    .. math:: \ell_{ij} = \frac{\sum_c \langle \tilde q_{ic} k_{jc} \rangle_0 - \sum_c w_c\, d(q_{ic}, k_{jc})^2
              + \sum_s q_{is} k_{js}}{\sqrt{f C + S}}

    with d the Euclidean distance of the points that queries and keys hold, by homogeneous coordinates softly
    normalised, and f the number of features of a channel: 7 + 5 in Cl(3,0,1), where the point part of the inner
    product is left to the distance. In algebras other than Cl(p,0,1) there is no distance term.

    Parameters
    ----------
    q_mv, k_mv, v_mv : Tensor
        Shapes (..., heads, queries, C, B), (..., heads or 1, keys, C, B), (..., heads or 1, keys, C_out, B).
        Leading axes of keys and values may be 1.
    q_scalars, k_scalars, v_scalars : Tensor or None
        Shapes (..., heads, queries, S), (..., heads or 1, keys, S), (..., heads or 1, keys, S_out).
    algebra : Algebra
        Algebra of the multivectors.
    weights : Tensor, optional
        Weights w of the distances, broadcasting with (..., heads, queries, C).
    normalizer_epsilon : float
        Softening of the normaliser b / (b^2 + epsilon) of homogeneous coordinates.
    attention_mask : Tensor, optional
        Boolean (True = may attend) or additive; (queries, keys), (..., 1, queries, keys) or
        (..., heads, queries, keys).

    Returns
    -------
    tuple of Tensor and (Tensor or None)
        Shapes (..., heads, queries, C_out, B) and (..., heads, queries, S_out).

    Raises
    ------
    ShapeError
        If shapes do not fit, or the mask is ambiguous.

    Notes
    -----
    Pin-equivariant in the values, invariant in the logits. Brehmer et al. 2023, Eq. 8 and appendix A.
    """
    q, k, v = ((q_mv, q_scalars), (k_mv, k_scalars), (v_mv, v_scalars))
    return _attend_heads(q, k, v, comparison_plan(algebra), weights, normalizer_epsilon, attention_mask)


def scalar_product_attention(
    q_mv: Tensor,
    k_mv: Tensor,
    v_mv: Tensor,
    q_scalars: Tensor | None,
    k_scalars: Tensor | None,
    v_scalars: Tensor | None,
    algebra: Algebra,
    *,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    r"""Attention by the invariant inner product of multivectors and the dot product of scalars.

    .. math:: \ell_{ij} = \frac{\sum_c \langle \tilde q_{ic} k_{jc} \rangle_0 + \sum_s q_{is} k_{js}}{\sqrt{f C + S}}

    with f the number of blades that enter the inner product. Shapes are those of :func:`geometric_attention`.

    Notes
    -----
    Pin-equivariant. Brehmer et al. 2023, Eq. 7.
    """
    q, k, v = ((q_mv, q_scalars), (k_mv, k_scalars), (v_mv, v_scalars))
    return _attend_heads(q, k, v, comparison_plan(algebra, by_distance=False), None, 1.0, attention_mask)


def _attend_heads(
    q: Streams, k: Streams, v: Streams, comparison: int, weights: Tensor | None, epsilon: float, mask: Tensor | None
) -> Streams:
    """Attend over streams (..., heads, items, C, B) and (..., heads, items, S)."""
    if q[1] is None or k[1] is None:
        q, k = (q[0], None), (k[0], None)
    channels, blades = v[0].shape[-2:]
    extra = 0 if v[1] is None else v[1].shape[-1]
    compared = compared_width(q[0].shape[-2], 0 if q[1] is None else q[1].shape[-1], comparison)
    width = common_width(k[0].shape[-3], compared, blades * channels + extra)
    features = [
        _features_of_heads(streams, role, weights, comparison, width, epsilon) for role, streams in enumerate((q, k, v))
    ]
    outputs = attend(features[0], features[1], features[2], 1.0 / math.sqrt(compared), mask).transpose(-3, -2)
    end = blades * channels
    mv = outputs[..., :end].unflatten(-1, (blades, channels)).transpose(-1, -2)
    return mv, None if v[1] is None else outputs[..., end : end + extra]


def _features_of_heads(
    streams: Streams, role: int, weights: Tensor | None, comparison: int, width: int, epsilon: float
) -> Tensor:
    """Return the features (..., items, heads, width) of queries (role 0), keys (1) or values (2)."""
    mv = streams[0].transpose(-4, -3)
    nothing = mv.new_empty(0)
    scalars = nothing if streams[1] is None else streams[1].transpose(-3, -2).flatten(-2)
    heads = [0, 0, 0]
    heads[role] = mv.shape[-3]
    operator: Callable[..., tuple[Tensor, ...]] = attention_features
    wanted = nothing
    if role == 0 and weights is not None:
        wanted = weights[(None,) * (3 - weights.dim())].transpose(-3, -2)
        if math.prod(wanted.shape[:-2]) > 1:
            # the native operator has no weights of single queries or samples
            operator = attention_features.composite
        else:
            wanted = wanted.reshape(wanted.shape[-2:]).expand(heads[role], mv.shape[-2]).contiguous()
    return operator(mv.flatten(-3, -2), scalars, wanted, comparison, *heads, width, epsilon)[role]


def compared_width(channels: int, scalars: int, comparison: int) -> int:
    """Return the number of features of a query."""
    return comparison_of(comparison).features * channels + scalars


def common_width(keys: int, *widths: int) -> int:
    """Return the width to pad features to where torch's fused kernel will help, else 0."""
    # the kernels also want widths divisible by 8
    return -(-max(widths) // 8) * 8 if keys >= FUSED_FROM_KEYS else 0


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None) -> Tensor:
    """Attend over features (..., items, heads, width), where keys and values may have one head or sample for all."""
    queries, heads = q.shape[-3:-1]
    keys = k.shape[-3]
    if k.shape[-2] not in (1, heads) or v.shape[-3:-1] != k.shape[-3:-1]:
        raise ShapeError(
            f"keys have (items, heads) = {tuple(k.shape[-3:-1])} and values {tuple(v.shape[-3:-1])}; both must have "
            f"the same items and either 1 head or the {heads} of the queries"
        )
    batch = _common_batch(q, k, v)
    if mask is not None:
        mask = prepare_mask(mask, batch, heads, queries, keys, q.dtype)
        if mask.dim() > 2:
            # Head-independent masks keep one head.
            mask = _flatten_batch(mask.expand(*batch, mask.shape[-3], queries, keys), len(batch))
    q, k, v = (_flatten_batch(x.expand(*batch, *x.shape[-3:]), len(batch)) for x in (q, k, v))
    if k.shape[-2] == 1 and mask is None:
        # Shared keys: the heads are just more queries, nothing is expanded.
        outputs = scaled_dot_product_attention(
            q.flatten(1, 2).unsqueeze(1), k.transpose(1, 2), v.transpose(1, 2), scale=scale
        )
    else:
        k, v = (x.expand(-1, -1, heads, -1).transpose(1, 2) for x in (k, v))
        outputs = scaled_dot_product_attention(q.transpose(1, 2), k, v, attn_mask=mask, scale=scale).transpose(1, 2)
    return outputs.reshape(*batch, queries, heads, v.shape[-1])


def _common_batch(q: Tensor, k: Tensor, v: Tensor) -> torch.Size:
    try:
        batch: torch.Size = torch.broadcast_shapes(q.shape[:-3], k.shape[:-3], v.shape[:-3])
    except RuntimeError as error:
        raise ShapeError(
            f"the leading axes of queries {tuple(q.shape[:-3])}, keys {tuple(k.shape[:-3])} and values "
            f"{tuple(v.shape[:-3])} do not broadcast"
        ) from error
    return batch


def _flatten_batch(x: Tensor, axes: int) -> Tensor:
    """Make one axis of the leading ``axes``."""
    return x.unsqueeze(0) if axes == 0 else x.flatten(0, axes - 1)


def join_attention(
    q_mv: Tensor,
    k_mv: Tensor,
    v_mv: Tensor,
    q_scalars: Tensor,
    k_scalars: Tensor,
    v_scalars: Tensor,
    algebra: Algebra,
    *,
    weights: tuple[Tensor, Tensor, Tensor] | None = None,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Attention by inner products and by the norm of the join of queries and keys.

    .. math:: \ell_{ij} = \frac{\sum_c u_c \langle \tilde q_{ic} k_{jc} \rangle_0
              - \sqrt{\sum_c w_c |J(q_{ic}, k_{jc})|^2} + \sum_s t_s q_{is} k_{js}}{\sqrt{2 f C + S}}

    It forms all pairs explicitly and is meant for study; the networks use :func:`geometric_attention`.

    Parameters
    ----------
    q_mv, k_mv, v_mv : Tensor
        Shapes (..., queries, C, B), (..., keys, C, B), (..., keys, C_out, B).
    q_scalars, k_scalars, v_scalars : Tensor
        Shapes (..., queries, S), (..., keys, S), (..., keys, S_out).
    algebra : Algebra
        A Euclidean projective algebra Cl(p,0,1).
    weights : tuple of three Tensors, optional
        Non-negative weights u (C,), w (C,) and t (S,).
    attention_mask : Tensor, optional
        Boolean (True = may attend) or additive, broadcasting with (..., queries, keys).

    Returns
    -------
    tuple of Tensor
        Shapes (..., queries, C_out, B) and (..., queries, S_out).

    Raises
    ------
    AlgebraMismatchError
        If the algebra is not Cl(p,0,1).
    ConfigError
        If a weight is negative.

    Notes
    -----
    Pin-equivariant: the sign that a mirror gives the join does not reach its norm. Brehmer et al. 2023, appendix A.
    """
    if not measures_distance(algebra):
        raise AlgebraMismatchError(f"join_attention needs a projective algebra Cl(p,0,1), not {algebra}")
    inner_weights, join_weights, scalar_weights = weights if weights is not None else (None, None, None)
    for weight in (inner_weights, join_weights, scalar_weights):
        if weight is not None and not torch.compiler.is_compiling() and bool((weight < 0).any()):
            raise ConfigError("join_attention: a weight is negative; the weights must not be")
    left, right = q_mv.unsqueeze(-3), k_mv.unsqueeze(-4)
    inner = F.inner_product(left, right, algebra)
    joins = F.projective_join(left, right, algebra)
    squares = F.inner_product(joins, joins, algebra)
    products = q_scalars.unsqueeze(-2) * k_scalars.unsqueeze(-3)
    if inner_weights is not None and join_weights is not None and scalar_weights is not None:
        inner, squares, products = inner * inner_weights, squares * join_weights, products * scalar_weights
    total = squares.sum(-1)
    # The gradient of the root is taken as 0 at 0, where a query and a key coincide.
    positive = total > 0
    norm = torch.where(positive, torch.where(positive, total, 1.0).sqrt(), 0.0)
    logits = inner.sum(-1) - norm + products.sum(-1)
    blades = len(inner_product_blades(algebra))
    logits = logits / math.sqrt(2 * blades * q_mv.shape[-2] + q_scalars.shape[-1])
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attention_mask, -math.inf)
        else:
            logits = logits + attention_mask
    attention = logits.softmax(-1)
    mixed = attention @ v_mv.flatten(-2)
    return mixed.unflatten(-1, v_mv.shape[-2:]), attention @ v_scalars
