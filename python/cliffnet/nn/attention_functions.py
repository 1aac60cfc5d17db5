"""Attention between multivectors as functions; the layers are in :mod:`cliffnet.nn.attention`."""

import math

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import AlgebraMismatchError, ConfigError, ShapeError
from cliffnet.nn._mask import prepare_mask
from cliffnet.nn.attention_features import (
    FeatureLayout,
    feature_layout,
    inner_product_blades,
    key_features,
    measures_distance,
    query_features,
)
from cliffnet.nn.layout import blade_planes

# From this many keys on it pays to pad features to one width, which torch's fused CPU kernel asks for.
_FUSED_FROM_KEYS = 64


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
    layout = feature_layout(algebra)
    q = query_features(q_mv, layout, normalizer_epsilon, weights)
    k = key_features(k_mv, layout, normalizer_epsilon)
    width = layout.width * q_mv.shape[-2] + (0 if q_scalars is None else q_scalars.shape[-1])
    return _attend(q, k, v_mv, q_scalars, k_scalars, v_scalars, 1.0 / math.sqrt(width), attention_mask)


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
    layout = FeatureLayout(inner_product_blades(algebra), (), None)
    q = query_features(q_mv, layout, 1.0, None)
    k = key_features(k_mv, layout, 1.0)
    width = layout.width * q_mv.shape[-2] + (0 if q_scalars is None else q_scalars.shape[-1])
    return _attend(q, k, v_mv, q_scalars, k_scalars, v_scalars, 1.0 / math.sqrt(width), attention_mask)


def _attend(
    q: list[Tensor],
    k: list[Tensor],
    v_mv: Tensor,
    q_scalars: Tensor | None,
    k_scalars: Tensor | None,
    v_scalars: Tensor | None,
    scale: float,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Attend with ready features; all of shape (..., heads, items, channels)."""
    channels, blades = v_mv.shape[-2:]
    v = list(blade_planes(v_mv))
    if q_scalars is not None and k_scalars is not None:
        q, k = [*q, q_scalars], [*k, k_scalars]
    if v_scalars is not None:
        v.append(v_scalars)
    _pad_to_common_width(q, k, v)
    outputs = _dot_product_attention(torch.cat(q, -1), torch.cat(k, -1), torch.cat(v, -1), scale, mask)
    mv_width = blades * channels
    mv = outputs[..., :mv_width].unflatten(-1, (blades, channels)).transpose(-1, -2)
    if v_scalars is None:
        return mv, None
    return mv, outputs[..., mv_width : mv_width + v_scalars.shape[-1]]


def _pad_to_common_width(q: list[Tensor], k: list[Tensor], v: list[Tensor]) -> None:
    """Append zero features so that queries, keys and values are equally wide, where the fused kernel will help."""
    if k[0].shape[-2] < _FUSED_FROM_KEYS:
        return
    widths = [sum(part.shape[-1] for part in parts) for parts in (q, v)]
    # The kernels also want widths divisible by 8.
    width = -(-max(widths) // 8) * 8
    for parts in (q, k, v):
        missing = width - sum(part.shape[-1] for part in parts)
        if missing:
            parts.append(parts[0].new_zeros((*parts[0].shape[:-1], missing)))


def _dot_product_attention(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None) -> Tensor:
    """Attend over (..., heads, items, features), where keys and values may have one head or one sample for all."""
    *outer, heads, queries, _ = q.shape
    try:
        batch = torch.broadcast_shapes(q.shape[:-3], k.shape[:-3], v.shape[:-3])
    except RuntimeError as error:
        raise ShapeError(
            f"the leading axes of queries {tuple(outer)}, keys {tuple(k.shape[:-3])} and values {tuple(v.shape[:-3])} "
            "do not broadcast"
        ) from error
    keys = k.shape[-2]
    if k.shape[-3] not in (1, heads) or v.shape[-3] != k.shape[-3] or v.shape[-2] != keys:
        raise ShapeError(
            f"keys have (heads, items) = {tuple(k.shape[-3:-1])} and values {tuple(v.shape[-3:-1])}; both must have "
            f"the same items and either 1 head or the {heads} of the queries"
        )
    if mask is not None:
        mask = prepare_mask(mask, batch, heads, queries, keys, q.dtype)
        if mask.dim() > 2:
            # Head-independent masks keep one head.
            mask = _flatten_batch(mask.expand(*batch, mask.shape[-3], queries, keys), len(batch))
    q, k, v = (_flatten_batch(x.expand(*batch, *x.shape[-3:]), len(batch)) for x in (q, k, v))
    if k.shape[-3] == 1 and heads > 1:
        if mask is None:
            # Shared keys: the heads are just more queries, nothing is expanded.
            folded = scaled_dot_product_attention(q.flatten(1, 2).unsqueeze(1), k, v, scale=scale)
            return folded.view(*batch, heads, queries, v.shape[-1])
        k, v = (x.expand(-1, heads, -1, -1) for x in (k, v))
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale).view(*batch, heads, queries, v.shape[-1])


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
