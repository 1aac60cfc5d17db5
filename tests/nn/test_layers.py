import math

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import ConfigError, DTypeError, ShapeError
from cliffnet.nn import (
    EquivariantLayerNorm,
    EquivariantLinear,
    GeometricBilinear,
    GeometricMLP,
    GradeDropout,
    RotaryPositionalEncoding,
    ScalarGatedNonlinearity,
    gate,
)

PGA = Algebra(3, 0, 1)
# Half-widths of the uniform weights for one input channel, in Cl(3,0,1): what GATr's factors come to for maps of +-1.
BOUNDS = [1.0, 1.0, 1.0, math.sqrt(0.5), math.sqrt(0.5), *[math.sqrt(0.5)] * 4]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("scheme", "scale"), [("default", 1.0), ("small", 0.1)])
def test_initial_weights_are_uniform_with_the_stated_bounds(scheme, scale):
    layer = EquivariantLinear(16, 2000, algebra=PGA, initialization=scheme)
    reached = layer.weight.detach().abs().amax((0, 1)) * math.sqrt(16) / scale
    assert torch.allclose(reached, torch.tensor(BOUNDS), rtol=1e-3)
    variance = layer.weight.detach().var((0, 1)) * 16 / scale**2
    assert torch.allclose(variance, torch.tensor(BOUNDS) ** 2 / 3, rtol=0.05)
    assert not layer.bias.any()


def test_initial_weights_with_scalars_share_the_variance():
    layer = EquivariantLinear(8, 1000, 32, 2000, algebra=PGA)
    half = math.sqrt(0.5)
    assert layer.weight[..., 0].abs().max().item() == pytest.approx(half / math.sqrt(8), rel=1e-2)
    assert layer.weight[..., 1].abs().max().item() == pytest.approx(1 / math.sqrt(8), rel=1e-2)
    assert layer.scalar_to_mv.abs().max().item() == pytest.approx(half / math.sqrt(32), rel=1e-2)
    assert layer.bias.abs().max().item() == pytest.approx(1 / math.sqrt(40), rel=1e-2)
    assert layer.mv_to_scalar.abs().max().item() == pytest.approx(half / math.sqrt(8), rel=1e-2)
    assert layer.scalar_to_scalar.abs().max().item() == pytest.approx(half / math.sqrt(32), rel=1e-2)
    assert layer.scalar_bias.abs().max().item() == pytest.approx(1 / math.sqrt(40), rel=1e-2)


@pytest.mark.parametrize(("scheme", "scale"), [("unit_scalar", 0.1), ("almost_unit_scalar", 0.5)])
@pytest.mark.parametrize("scalars", [None, 5])
def test_unit_schemes_put_outputs_near_one(scheme, scale, scalars):
    layer = EquivariantLinear(4, 2000, scalars, algebra=PGA, initialization=scheme)
    assert layer.bias.mean().item() == pytest.approx(1.0, abs=0.05)
    assert (layer.bias - 1).abs().max().item() <= 1 / math.sqrt(4 + (scalars or 0))
    assert layer.weight[..., 2].abs().max().item() == pytest.approx(scale / 2, rel=1e-2)


def test_default_outputs_keep_the_variance():
    layer = EquivariantLinear(64, 64, algebra=PGA)
    variance = layer(torch.randn(500, 64, 16))[0].detach().var((0, 1))
    expected = torch.zeros(16)
    for entries, bound in zip(layer.maps.entries, BOUNDS, strict=True):
        for out, _, coefficient in entries:
            expected[out] += coefficient**2 * bound**2 / 3
    assert torch.allclose(variance, expected, rtol=0.2)


def test_linear_refuses_what_does_not_fit():
    with pytest.raises(ConfigError, match="did you mean 'unit_scalar'"):
        EquivariantLinear(1, 1, algebra=PGA, initialization="unit_scaler")
    with pytest.raises(ConfigError, match="bias=False"):
        EquivariantLinear(1, 1, algebra=PGA, initialization="unit_scalar", bias=False)
    with pytest.raises(ConfigError, match="at least 1"):
        EquivariantLinear(0, 1, algebra=PGA)
    layer = EquivariantLinear(3, 2, 5, algebra=PGA)
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 3, 16\)"):
        layer(torch.randn(2, 4, 16), torch.randn(2, 5))
    with pytest.raises(ShapeError, match="scalars is None"):
        layer(torch.randn(2, 3, 16))
    with pytest.raises(ShapeError, match="leading axes"):
        layer(torch.randn(2, 3, 16), torch.randn(3, 5))
    with pytest.raises(DTypeError, match="floating-point"):
        layer(torch.ones(2, 3, 16, dtype=torch.int64), torch.randn(2, 5))
    with pytest.raises(ShapeError, match="no scalar inputs"):
        EquivariantLinear(3, 2, algebra=PGA)(torch.randn(2, 3, 16), torch.randn(2, 5))


def test_zero_scalar_channels_count_as_none():
    layer = EquivariantLinear(3, 2, 0, 0, algebra=PGA)
    assert layer.scalar_to_mv is None
    assert layer(torch.randn(2, 3, 16), torch.randn(2, 0))[1] is None


def test_layers_keep_blade_major_memory():
    x = F.to_blade_major(torch.randn(2, 5, 4, 16))
    scalars = torch.randn(2, 5, 3)
    reference = torch.randn(2, 1, 1, 16)
    layers = [EquivariantLinear(4, 4, 3, 3, algebra=PGA), EquivariantLayerNorm(PGA), ScalarGatedNonlinearity("gelu")]
    for layer in layers:
        assert F.is_blade_major(layer(x, scalars)[0]), layer
    assert F.is_blade_major(GeometricBilinear(4, 4, 3, 3, algebra=PGA)(x, scalars, reference=reference)[0])
    assert F.is_blade_major(GradeDropout(0.5, algebra=PGA)(x, scalars)[0])


def test_layer_norm_by_hand_and_its_clamp():
    x = torch.zeros(1, 2, 16)
    x[0, 0, 2], x[0, 1, 0], x[0, 0, 1] = 3.0, 1.0, 7.0  # e1, 1, and e0 which does not count
    y, scalars = EquivariantLayerNorm(PGA)(x)
    assert scalars is None
    assert torch.allclose(y, x / math.sqrt(5.0))
    small = torch.zeros(1, 2, 16, requires_grad=True)
    y = EquivariantLayerNorm(PGA, epsilon=0.01)(small)[0]
    y.sum().backward()
    assert torch.allclose(small.grad, torch.full_like(small, 10.0))
    with pytest.raises(ConfigError, match="epsilon"):
        EquivariantLayerNorm(PGA, epsilon=0.0)


def test_layer_norm_in_half_precision_squares_in_single():
    x = torch.full((1, 1, 16), 300.0, dtype=torch.float16)
    assert torch.isfinite(EquivariantLayerNorm(PGA)(x)[0]).all()


def test_gates():
    x, s = torch.randn(3, 2, 16), torch.randn(3, 4)
    exact, mixed = ScalarGatedNonlinearity("gelu"), ScalarGatedNonlinearity("gelu", mixed_gelu=True)
    gelu = torch.nn.functional.gelu
    assert torch.allclose(exact(x, s)[0], x * gelu(x[..., :1]))
    assert torch.allclose(mixed(x, s)[0], x * gelu(x[..., :1], approximate="tanh"))
    assert torch.equal(exact(x, s)[1], mixed(x, s)[1])
    quotient = gelu(x[..., :1], approximate="tanh") / x[..., :1]
    assert torch.allclose(gate(x, x[..., 0], "gelu_divide"), x * quotient, rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="did you mean 'sigmoid'"):
        ScalarGatedNonlinearity("sigmoyd")


def test_dropout_drops_whole_grades_at_the_stated_rate():
    layer = GradeDropout(0.25, algebra=PGA)
    y, s = layer(torch.ones(500, 8, 16), torch.ones(500, 40))
    for grade in range(5):
        plane = y[..., PGA.grade_slice(grade)]
        assert torch.equal(plane, plane[..., :1].expand_as(plane))
        assert plane.mean().item() == pytest.approx(1.0, abs=0.05)
    assert y.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert s.mean().item() == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(y[..., 0], y[..., 2])
    x = torch.randn(2, 3, 16)
    assert layer.eval()(x)[0] is x
    for bad in (1.0, -0.1, "half", True):
        with pytest.raises(ConfigError, match="dropout"):
            GradeDropout(bad, algebra=PGA)


def test_bilinear_starts_as_a_pass_through_of_the_left_factor():
    layer = GeometricBilinear(4, 400, 3, algebra=PGA)
    right = layer.factor_linear.bias[200:400]
    others = torch.cat([layer.factor_linear.bias[:200], layer.factor_linear.bias[400:]])
    assert right.mean().item() == pytest.approx(1.0, abs=0.1)
    assert others.mean().item() == pytest.approx(0.0, abs=0.1)
    assert layer.factor_linear.weight[200:400, :, 1].abs().max() < 0.26 < layer.factor_linear.weight[..., 1].abs().max()
    with pytest.raises(ConfigError, match="even"):
        GeometricBilinear(4, 3, algebra=PGA)
    with pytest.raises(ShapeError, match="join reference"):
        layer(torch.randn(2, 4, 16), torch.randn(2, 3), reference=torch.randn(8))


def test_mlp_refuses_too_few_or_unequal_widths():
    for widths, scalars in (([4], None), ([4, 4], [3])):
        with pytest.raises(ConfigError, match="widths"):
            GeometricMLP(widths, scalars, algebra=PGA)


def test_rotary_encoding_depends_on_differences_only():
    encode = RotaryPositionalEncoding(8)
    q, k = (torch.randn(8, dtype=torch.float64).expand(10, 8) for _ in range(2))
    logits = encode(q) @ encode(k).T
    assert torch.allclose(logits[2:, 2:], logits[:-2, :-2])
    assert torch.allclose(encode(q)[0], q[0])
    assert encode(q.float()).dtype == torch.float32
    assert not list(encode.state_dict())
    with pytest.raises(ConfigError, match="even"):
        RotaryPositionalEncoding(7)
    with pytest.raises(ShapeError, match="items"):
        encode(torch.randn(4, 6))
