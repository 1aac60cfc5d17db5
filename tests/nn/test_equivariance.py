"""Every layer commutes with the Pin group, mirrors and translations included."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.nn import (
    CrossAttention,
    EquivariantLayerNorm,
    EquivariantLinear,
    GeometricBilinear,
    GeometricMLP,
    GradeDropout,
    ScalarGatedNonlinearity,
    SelfAttention,
    equivariant_join,
    join_attention,
    scalar_product_attention,
)
from helpers.equivariance import assert_equivariant

SIGNATURES = [(3, 0, 1), (3, 0, 0), (2, 0, 1), (1, 3, 0), (4, 1, 0)]
ALGEBRAS = [pytest.param(Algebra(*signature), id=str(Algebra(*signature))) for signature in SIGNATURES]


@pytest.fixture(autouse=True)
def _double_precision():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _multivectors(algebra, *shape):
    return torch.randn(*shape, algebra.num_blades)


def _randomized(module):
    # Freshly initialised layers hide faults behind biases and weights of zero or one.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5)
    return module


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_linear(algebra):
    layer = _randomized(EquivariantLinear(3, 4, 5, 6, algebra=algebra))
    scalars = torch.randn(2, 7, 5)
    assert_equivariant(lambda x: layer(x, scalars), [_multivectors(algebra, 2, 7, 3)], algebra)


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_layer_norm_gate_and_dropout(algebra):
    x, scalars = _multivectors(algebra, 2, 7, 3), torch.randn(2, 7, 5)
    for layer in (EquivariantLayerNorm(algebra), ScalarGatedNonlinearity("gelu", mixed_gelu=True)):
        assert_equivariant(lambda x, layer=layer: layer(x, scalars), [x], algebra)
    dropout = GradeDropout(0.4, algebra=algebra)

    def same_draw(x):
        torch.manual_seed(5)
        return dropout(x, scalars)

    assert_equivariant(same_draw, [x], algebra)


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_join_bilinear_and_mlp(algebra):
    x, y = _multivectors(algebra, 2, 7, 3), _multivectors(algebra, 2, 7, 3)
    reference, scalars = _multivectors(algebra, 2, 1, 1), torch.randn(2, 7, 5)
    assert_equivariant(lambda x, y, r: (equivariant_join(x, y, r, algebra), None), [x, y, reference], algebra)
    bilinear = _randomized(GeometricBilinear(3, 4, 5, 6, algebra=algebra))
    assert_equivariant(lambda x, r: bilinear(x, scalars, reference=r), [x, reference], algebra)
    mlp = _randomized(GeometricMLP([3, 6, 4, 3], [5, 4, 4, 5], algebra=algebra))
    assert_equivariant(lambda x, r: mlp(x, scalars, reference=r), [x, reference], algebra)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("multi_query", [True, False])
def test_attention(algebra, multi_query):
    x, scalars = _multivectors(algebra, 2, 7, 3), torch.randn(2, 7, 5)
    config = {
        "num_heads": 2,
        "multi_query": multi_query,
        "positional_encoding": True,
        "additional_qk_mv_channels": 2,
        "additional_qk_scalar_channels": 1,
    }
    layer = _randomized(SelfAttention(3, 4, 5, 6, config, algebra=algebra))
    more, more_scalars = _multivectors(algebra, 2, 7, 2), torch.randn(2, 7, 1)
    mask = torch.rand(7, 7) > 0.3

    def attend(x, more):
        return layer(x, scalars, additional_qk_mv=more, additional_qk_scalars=more_scalars, attention_mask=mask)

    assert_equivariant(attend, [x, more], algebra)
    cross = _randomized(CrossAttention(2, 3, 4, 1, 5, 6, {"num_heads": 2}, algebra=algebra))
    assert_equivariant(lambda q, x: cross(q, x, more_scalars, scalars), [more, x], algebra)


def test_attention_functions():
    algebra = Algebra(3, 0, 1)
    q, k, v = (_multivectors(algebra, 2, 3, 4, 2) for _ in range(3))
    scalars = [torch.randn(2, 3, 4, 2) for _ in range(3)]
    assert_equivariant(lambda q, k, v: scalar_product_attention(q, k, v, *scalars, algebra), [q, k, v], algebra)
    assert_equivariant(lambda q, k, v: join_attention(q, k, v, *scalars, algebra), [q, k, v], algebra)


def test_the_check_itself_fails_for_broken_layers():
    algebra = Algebra(3, 0, 1)
    x = _multivectors(algebra, 2, 7, 3)
    layer = EquivariantLinear(3, 3, algebra=algebra)

    def shifted_component(x):
        y, scalars = layer(x)
        return y + 1e-6 * torch.eye(16)[2], scalars

    def swapped_component(x):
        return x[..., [0, 2, 1, *range(3, 16)]], None

    def leaked_scalar(x):
        return x, x[..., 3]

    def join_without_orientation(x):
        return F.projective_join(x, x.flip(-2), algebra), None

    for broken in (shifted_component, swapped_component, leaked_scalar, join_without_orientation):
        with pytest.raises(AssertionError, match="relative error"):
            assert_equivariant(broken, [x], algebra)
