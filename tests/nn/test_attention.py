import math

import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import AlgebraMismatchError, ConfigError, DTypeError, ShapeError
from cliffnet.geometry import pga3d
from cliffnet.nn import CrossAttention, SelfAttention, geometric_attention, join_attention

pytestmark = pytest.mark.usefixtures("double_precision")

PGA = Algebra(3, 0, 1)


def _streams(*batch, heads=3, kv_heads=1, queries=4, keys=5):
    q = torch.randn(*batch, heads, queries, 2, 16), torch.randn(*batch, heads, queries, 3)
    k = torch.randn(*batch, kv_heads, keys, 2, 16), torch.randn(*batch, kv_heads, keys, 3)
    v = torch.randn(*batch, kv_heads, keys, 1, 16), torch.randn(*batch, kv_heads, keys, 2)
    return [q[0], k[0], v[0], q[1], k[1], v[1]]


def _explicit(q, k, v, qs, ks, vs, weights, mask=None):
    """The formula written out, pair by pair."""
    inner = torch.tensor([0, 2, 3, 4, 8, 9, 10])

    def point(x):
        factor = x[..., 14:15] / (x[..., 14:15] ** 2 + 1e-3)
        return x[..., 11:14] * factor, x[..., 14:15] * factor

    products = (q.unsqueeze(-3)[..., inner] * k.unsqueeze(-4)[..., inner]).sum((-1, -2))
    (qa, qb), (ka, kb) = point(q.unsqueeze(-3)), point(k.unsqueeze(-4))
    distances = ((qa * kb - ka * qb) ** 2).sum(-1)
    logits = products - (weights.unsqueeze(-2) * distances).sum(-1) + qs @ ks.mT
    logits = logits / math.sqrt(12 * q.shape[-2] + qs.shape[-1])
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else logits + mask
    attention = logits.softmax(-1)
    return (attention @ v.flatten(-2)).unflatten(-1, v.shape[-2:]), attention @ vs


@pytest.mark.parametrize("kv_heads", [1, 3])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("keys", [5, 80])
def test_geometric_attention_is_the_written_out_formula(kv_heads, batch, keys):
    streams = _streams(*batch, kv_heads=kv_heads, keys=keys)
    weights = torch.rand(3, 1, 2)
    additive = torch.randn(*batch, 3, 4, keys)
    flat, per_sample = torch.rand(4, keys) > 0.3, torch.rand(*batch, 1, 4, keys) > 0.3
    flat[..., 0] = per_sample[..., 0] = True  # rows without any key have no softmax
    for mask in (None, flat, per_sample, additive):
        ours = geometric_attention(*streams, PGA, weights=weights, attention_mask=mask)
        for got, expected in zip(ours, _explicit(*streams, weights, mask), strict=True):
            assert torch.allclose(got, expected, atol=1e-12)


def test_keys_with_one_sample_for_all_queries():
    streams = _streams(2)
    shared = [x if index in (0, 3) else x[:1] for index, x in enumerate(streams)]
    repeated = [x if index in (0, 3) else x[:1].expand(2, *x.shape[1:]) for index, x in enumerate(streams)]
    assert torch.allclose(geometric_attention(*shared, PGA)[0], geometric_attention(*repeated, PGA)[0])
    with pytest.raises(ShapeError, match="do not broadcast"):
        geometric_attention(*_streams(2)[:1], *_streams(3)[1:3], None, None, None, PGA)


def test_logits_see_distances():
    # One query at the origin; keys nearer by have more weight, whatever the scale of the homogeneous coordinates.
    positions = torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]])
    q = pga3d.embed_point(torch.zeros(1, 1, 1, 3))
    k = pga3d.embed_point(positions)[None, :, None]
    values = torch.zeros(1, 3, 3, 16)
    values[0, range(3), range(3), 0] = 1.0
    weights = torch.full((1, 1, 1), 12.0)
    out, _ = geometric_attention(q, k, values, None, None, None, PGA, weights=weights, normalizer_epsilon=1e-12)
    expected = (-math.sqrt(12.0) * positions.square().sum(-1)).softmax(-1)
    assert torch.allclose(out[0, 0, :, 0], expected)
    scaled, _ = geometric_attention(q, 5 * k, values, None, None, None, PGA, weights=weights, normalizer_epsilon=1e-12)
    assert torch.allclose(scaled, out)


@pytest.mark.parametrize(
    ("batch", "shape", "message"),
    [
        ((2,), (2, 4, 5), "samples or heads"),
        ((3,), (3, 4, 5), "samples or heads"),
        ((2,), (4, 4), "last two axes"),
        ((2,), (5,), "last two axes"),
        ((2,), (2, 2, 4, 5), "heads"),
        ((2,), (4, 1, 4, 5), "expected"),
        ((2, 3), (5, 1, 4, 5), "expected"),
        ((), (2, 1, 4, 5), "expected"),
    ],
)
def test_ambiguous_or_wrong_masks_are_refused(batch, shape, message):
    with pytest.raises(ShapeError, match=message):
        geometric_attention(*_streams(*batch), PGA, attention_mask=torch.ones(shape, dtype=torch.bool))


def test_masks_with_flattened_batch_axes_and_integer_masks():
    streams = _streams(2, 3)
    mask = torch.rand(2, 3, 1, 4, 5) > 0.3
    full = geometric_attention(*streams, PGA, attention_mask=mask)[0]
    assert torch.equal(full, geometric_attention(*streams, PGA, attention_mask=mask.flatten(0, 1))[0])
    per_head = torch.rand(3, 4, 5) > 0.3
    assert geometric_attention(*_streams(), PGA, attention_mask=per_head)[0].shape == (3, 4, 1, 16)
    with pytest.raises(DTypeError, match="boolean"):
        geometric_attention(*streams, PGA, attention_mask=torch.ones(4, 5, dtype=torch.int64))


def test_masked_items_do_not_matter():
    layer = SelfAttention(2, 2, 3, 3, {"num_heads": 2}, algebra=PGA)
    x, s = torch.randn(2, 5, 2, 16), torch.randn(2, 5, 3)
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[:, 4] = False
    changed = x.clone()
    changed[:, 4] += 1.0
    first, second = layer(x, s, attention_mask=mask)[0], layer(changed, s, attention_mask=mask)[0]
    assert torch.allclose(first[:, :4], second[:, :4], atol=1e-14)
    assert not torch.allclose(first[:, 4], second[:, 4])


def test_self_attention_without_scalars_and_with_nothing_to_attend():
    layer = SelfAttention(2, 3, config={"num_heads": 2}, algebra=PGA)
    out, scalars = layer(torch.randn(2, 5, 2, 16))
    assert out.shape == (2, 5, 3, 16)
    assert scalars is None
    assert layer(torch.randn(0, 5, 2, 16))[0].shape == (0, 5, 3, 16)
    assert layer(torch.randn(5, 2, 16))[0].shape == (5, 3, 16)


def test_additional_features_reach_values_only_for_compatibility():
    config = {"num_heads": 2, "multi_query": False, "additional_qk_mv_channels": 1}
    x, s = torch.randn(2, 1, 2, 16), torch.randn(2, 1, 3)
    features = [torch.randn(2, 1, 1, 16) for _ in range(2)]
    for compatibility, differs in ((None, False), ("gatr-1.4.3", True)):
        layer = SelfAttention(2, 2, 3, 3, config, algebra=PGA, compatibility=compatibility)
        # With a single item the attention weights are 1, so features can act through the values alone.
        first, second = (layer(x, s, additional_qk_mv=feature)[0] for feature in features)
        assert torch.allclose(first, second) is not differs


def test_layers_refuse_missing_features_and_options():
    layer = SelfAttention(2, 2, algebra=PGA, config={"additional_qk_mv_channels": 1})
    with pytest.raises(ShapeError, match="additional_qk_mv is None"):
        layer(torch.randn(2, 5, 2, 16))
    with pytest.raises(ShapeError, match="0 additional_qk_mv_channels"):
        SelfAttention(2, 2, algebra=PGA)(torch.randn(2, 5, 2, 16), additional_qk_mv=torch.randn(2, 5, 1, 16))
    with pytest.raises(ConfigError, match="no scalar channels"):
        SelfAttention(2, 2, algebra=PGA, config={"positional_encoding": True})
    with pytest.raises(ConfigError, match="cross-attention has no"):
        CrossAttention(2, 2, 2, algebra=PGA, config={"additional_qk_mv_channels": 1})


def test_cross_attention_multi_head_and_shared_keys():
    layer = CrossAttention(2, 3, 4, None, 5, None, {"num_heads": 2, "multi_query": False}, algebra=PGA)
    out, scalars = layer(torch.randn(2, 7, 2, 16), torch.randn(1, 6, 3, 16), None, torch.randn(1, 6, 5))
    assert out.shape == (2, 7, 4, 16)
    assert scalars is None


def test_distance_weights_exist_where_there_are_points():
    assert SelfAttention(2, 2, algebra=Algebra(2, 0, 1)).distance_log_weights is not None
    for signature in ((3, 0, 0), (1, 3, 0), (0, 0, 2)):
        assert SelfAttention(2, 2, algebra=Algebra(*signature)).distance_log_weights is None


def test_join_attention_gradient_where_query_and_key_coincide_and_its_refusals():
    x = torch.randn(2, 3, 2, 16, requires_grad=True)
    s = torch.randn(2, 3, 4)
    out, _ = join_attention(x, x, x, s, s, s, PGA)
    out.sum().backward()
    assert torch.isfinite(x.grad).all()
    with pytest.raises(AlgebraMismatchError, match="Cl\\(p,0,1\\)"):
        join_attention(x, x, x, s, s, s, Algebra(4, 0, 0))
    with pytest.raises(ConfigError, match="negative"):
        join_attention(x, x, x, s, s, s, PGA, weights=(-torch.ones(2), torch.ones(2), torch.ones(4)))
