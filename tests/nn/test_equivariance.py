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
from cliffnet.testing import assert_equivariant

pytestmark = pytest.mark.usefixtures("double_precision")

SIGNATURES = [(3, 0, 1), (3, 0, 0), (2, 0, 1), (1, 3, 0), (4, 1, 0)]
ALGEBRAS = [pytest.param(Algebra(*signature), id=str(Algebra(*signature))) for signature in SIGNATURES]


def _randomized(module):
    # Freshly initialised layers hide faults behind biases and weights of zero or one.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5)
    return module


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_linear(algebra):
    layer = _randomized(EquivariantLinear(3, 4, 5, 6, algebra=algebra))
    assert_equivariant(layer, algebra, inputs=[(2, 7, 3)], invariants=[torch.randn(2, 7, 5)])


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_layer_norm_gate_and_dropout(algebra):
    dropout = GradeDropout(0.4, algebra=algebra)
    for layer in (EquivariantLayerNorm(algebra), ScalarGatedNonlinearity("gelu", mixed_gelu=True), dropout):
        assert_equivariant(
            lambda x, scalars, layer=layer: layer(x, scalars),
            algebra,
            inputs=[(2, 7, 3)],
            invariants=[torch.randn(2, 7, 5)],
        )


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_join_bilinear_and_mlp(algebra):
    x, reference, scalars = (2, 7, 3), (2, 1, 1), torch.randn(2, 7, 5)
    assert_equivariant(lambda x, y, r: equivariant_join(x, y, r, algebra), algebra, inputs=[x, x, reference])
    bilinear = _randomized(GeometricBilinear(3, 4, 5, 6, algebra=algebra))
    mlp = _randomized(GeometricMLP([3, 6, 4, 3], [5, 4, 4, 5], algebra=algebra))
    for layer in (bilinear, mlp):
        assert_equivariant(
            lambda x, r, scalars, layer=layer: layer(x, scalars, reference=r),
            algebra,
            inputs=[x, reference],
            invariants=[scalars],
        )


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("multi_query", [True, False])
def test_attention(algebra, multi_query):
    x, more, scalars, more_scalars = (2, 7, 3), (2, 7, 2), torch.randn(2, 7, 5), torch.randn(2, 7, 1)
    config = {
        "num_heads": 2,
        "multi_query": multi_query,
        "positional_encoding": True,
        "additional_qk_mv_channels": 2,
        "additional_qk_scalar_channels": 1,
    }
    layer = _randomized(SelfAttention(3, 4, 5, 6, config, algebra=algebra))
    mask = torch.rand(7, 7) > 0.3

    def attend(x, more, scalars, more_scalars):
        return layer(x, scalars, additional_qk_mv=more, additional_qk_scalars=more_scalars, attention_mask=mask)

    assert_equivariant(attend, algebra, inputs=[x, more], invariants=[scalars, more_scalars])
    cross = _randomized(CrossAttention(2, 3, 4, 1, 5, 6, {"num_heads": 2}, algebra=algebra))
    assert_equivariant(cross, algebra, inputs=[more, x], invariants=[more_scalars, scalars])


@pytest.mark.parametrize("function", [scalar_product_attention, join_attention])
def test_attention_functions(function):
    algebra = Algebra(3, 0, 1)
    assert_equivariant(
        lambda q, k, v, *scalars: function(q, k, v, *scalars, algebra),
        algebra,
        inputs=[(2, 3, 4, 2)] * 3,
        invariants=[torch.randn(2, 3, 4, 2) for _ in range(3)],
    )


def test_broken_layers_are_found():
    algebra = Algebra(3, 0, 1)
    layer = EquivariantLinear(3, 3, algebra=algebra)

    def shifted_component(x):
        return layer(x)[0] + 1e-6 * torch.eye(16)[2]

    def swapped_component(x):
        return x[..., [0, 2, 1, *range(3, 16)]]

    def leaked_scalar(x):
        return x, x[..., 3]

    def join_without_orientation(x):
        return F.projective_join(x, x.flip(-2), algebra)

    for broken in (shifted_component, swapped_component, leaked_scalar, join_without_orientation):
        with pytest.raises(AssertionError, match="relative error"):
            assert_equivariant(broken, algebra, inputs=[(2, 7, 3)])
