import copy
import pickle

import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.models import AxialGATr, GATr, GATrBlock, GATrConfig
from cliffnet.testing import assert_equivariant

pytestmark = pytest.mark.usefixtures("double_precision")

SIGNATURES = [(3, 0, 1), (3, 0, 0), (2, 0, 1), (1, 3, 0), (4, 1, 0)]
ALGEBRAS = [pytest.param(Algebra(*signature), id=str(Algebra(*signature))) for signature in SIGNATURES]
SMALL = {"attention": {"num_heads": 2}, "num_blocks": 2}


def _net(**options):
    net = GATr(2, 1, 4, 3, 2, 5, **{**SMALL, **options})
    # The residual branches start small; make them count.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5)
    return net


def _inputs(*batch):
    return torch.randn(*batch, 5, 2, 16), torch.randn(*batch, 5, 3)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("multi_query", [True, False])
def test_gatr_is_equivariant_in_every_algebra(algebra, multi_query):
    attention = {"num_heads": 2, "multi_query": multi_query, "positional_encoding": True}
    net = GATr(
        2,
        1,
        4,
        3,
        2,
        5,
        attention,
        num_blocks=2,
        reinsert_mv_channels=(1,),
        reinsert_scalar_channels=(0, 2),
        algebra=algebra,
    )
    scalars = torch.randn(2, 5, 3)
    assert_equivariant(net, algebra, inputs=[(2, 5, 2)], invariants=[scalars])

    def with_reference(x, reference, scalars):
        return net(x, scalars, join_reference=reference)

    assert_equivariant(with_reference, algebra, inputs=[(2, 5, 2), (2, 1, 1)], invariants=[scalars])


def test_canonical_reference_is_equivariant_under_motions_only():
    net, scalars = _net(), torch.randn(2, 5, 3)

    def call(x, scalars):
        return net(x, scalars, join_reference="canonical")

    assert_equivariant(call, net.algebra, "spin", inputs=[(2, 5, 2)], invariants=[scalars])
    with pytest.raises(AssertionError, match="g is a reflection"):
        assert_equivariant(call, net.algebra, "pin", inputs=[(2, 5, 2)], invariants=[scalars])


@pytest.mark.parametrize("collapse", [(False, False), (True, True)])
def test_axial_gatr_is_equivariant(collapse):
    net = AxialGATr(2, 1, 4, 3, 2, 5, **SMALL, positional_encodings=(True, False), collapse_dims=collapse)
    masks = (torch.rand(3, 3) > 0.3, torch.rand(4, 4) > 0.3)
    assert_equivariant(net, net.algebra, inputs=[(2, 3, 4, 2)], invariants=[torch.randn(2, 3, 4, 3), masks])


def test_axial_gatr_collapsing_axes_changes_no_numbers():
    x, scalars = torch.randn(2, 3, 4, 2, 16), torch.randn(2, 3, 4, 3)
    nets = [AxialGATr(2, 1, 4, 3, 2, 5, **SMALL, collapse_dims=(flag, flag)) for flag in (False, True)]
    nets[1].load_state_dict(nets[0].state_dict())
    per_sample = torch.randn(2, 1, 1, 1, 16)
    per_item = torch.randn(2, 3, 4, 1, 16)
    for reference in ("data", "canonical", per_sample, per_item):
        outputs = [net(x, scalars, join_reference=reference) for net in nets]
        assert torch.allclose(outputs[0][0], outputs[1][0])
        assert torch.allclose(outputs[0][1], outputs[1][1])
    masks = torch.rand(2, 4, 1, 3, 3) > 0.3, torch.rand(2, 3, 1, 4, 4) > 0.3
    masks = [mask | torch.eye(mask.shape[-1], dtype=torch.bool) for mask in masks]
    collapsed = [mask.flatten(0, 1) for mask in masks]
    assert torch.allclose(nets[0](x, scalars, masks)[0], nets[1](x, scalars, collapsed)[0])
    assert torch.allclose(nets[0](x, scalars, collapsed)[0], nets[1](x, scalars, collapsed)[0])


def test_items_and_samples_are_independent():
    net, (x, scalars) = _net(), _inputs(3, 2)
    whole = net(x, scalars)
    for first in range(3):
        for second in range(2):
            part = net(x[first, second], scalars[first, second])
            assert torch.allclose(whole[0][first, second], part[0])
            assert torch.allclose(whole[1][first, second], part[1])
    order = torch.randperm(5)
    assert torch.allclose(net(x[..., order, :, :], scalars[..., order, :])[0], whole[0][..., order, :, :])


def test_data_reference_of_the_reference_mixes_samples_only_with_its_switch():
    x, scalars = _inputs(1, 2)
    for compatibility, same in ((None, True), ("gatr-1.4.3", False)):
        net = _net(compatibility=compatibility)
        changed = x.clone()
        changed[:, 1] += 1.0
        first, second = net(x, scalars)[0], net(changed, scalars)[0]
        assert torch.allclose(first[:, 0], second[:, 0]) is same


@pytest.mark.parametrize("checkpoint", ["block", ("block",), ("attention",), ("mlp", "attention")])
def test_checkpointing_changes_no_gradient(checkpoint):
    plain = _net()
    x, scalars = _inputs(2)
    net = _net(checkpoint=checkpoint)
    net.load_state_dict(plain.state_dict())
    gradients = []
    for model in (plain, net):
        y, s = model(x, scalars)
        (y.square().sum() + s.square().sum()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_checkpointing_repeats_the_draw_of_dropout():
    net = _net(checkpoint="block", dropout_probability=0.3)
    x, scalars = _inputs(2)
    x.requires_grad_()
    torch.manual_seed(1)
    with_checkpoint = torch.autograd.grad(net(x, scalars)[0].sum(), x)[0]
    net.checkpoint_blocks = False
    torch.manual_seed(1)
    assert torch.equal(with_checkpoint, torch.autograd.grad(net(x, scalars)[0].sum(), x)[0])


def test_dropout_acts_in_training_only():
    net, (x, scalars) = _net(dropout_probability=0.5), _inputs(2)
    assert not torch.equal(net(x, scalars)[0], net(x, scalars)[0])
    net.eval()
    assert torch.equal(net(x, scalars)[0], net(x, scalars)[0])


def test_every_combination_of_scalar_streams():
    for in_s in (None, 3):
        for hidden in (None, 5):
            for out_s in (None, 2):
                net = GATr(2, 1, 4, in_s, out_s, hidden, **SMALL)
                y, s = net(torch.randn(2, 5, 2, 16), None if in_s is None else torch.randn(2, 5, 3))
                assert y.shape == (2, 5, 1, 16)
                assert (None if s is None else s.shape) == (None if out_s is None else (2, 5, 2))
                unused = [name for name, p in net.named_parameters() if p.grad is None]
                (y.sum() + (0 if s is None else s.sum())).backward()
                unused = [name for name, p in net.named_parameters() if p.grad is None]
                # The scalar outputs of the last MLP feed nothing where there are no scalar outputs at all.
                assert all(name.startswith("blocks.1") or "scalar" in name for name in unused), unused


def test_parameter_count_of_the_published_network():
    net = GATr(1, 1, 16, 1, 1, 128)
    assert sum(parameter.numel() for parameter in net.parameters()) == 2_209_058


def test_state_dict_pickle_and_deepcopy():
    net, (x, scalars) = _net(), _inputs(2)
    expected = net(x, scalars)[0]
    other = _net()
    other.load_state_dict(net.state_dict())
    assert not [name for name in net.state_dict() if name not in dict(net.named_parameters())]
    for twin in (other, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x, scalars)[0], expected)
    assert pickle.loads(pickle.dumps(net)).algebra is net.algebra


def test_empty_batch_and_single_item():
    net = _net()
    y, s = net(torch.randn(0, 5, 2, 16), torch.randn(0, 5, 3))
    assert (y.shape, s.shape) == ((0, 5, 1, 16), (0, 5, 2))
    (y.sum() + s.sum()).backward()
    assert torch.isfinite(net(torch.randn(2, 1, 2, 16), torch.randn(2, 1, 3))[0]).all()


def test_any_memory_layout_gives_the_same():
    net, (x, scalars) = _net(), _inputs(2)
    expected = net(x, scalars)[0]
    strided = torch.randn(2, 5, 2, 32)[..., ::2].copy_(x)
    for twin in (x.movedim(-1, 0).contiguous().movedim(0, -1), strided, x.transpose(0, 1).contiguous().transpose(0, 1)):
        assert torch.allclose(net(twin, scalars)[0], expected, atol=1e-14)


def test_autocast_runs_and_stays_near_single_precision():
    net = _net().float()
    x, scalars = (value.float() for value in _inputs(2))
    expected = net(x, scalars)[0]
    with torch.autocast("cpu", torch.bfloat16):
        y, s = net(x, scalars)
    assert torch.isfinite(y).all()
    assert torch.isfinite(s).all()
    assert torch.allclose(y.float(), expected, atol=0.15 * expected.abs().max().item())
    y.float().sum().backward()


def test_half_precision_module():
    net = _net().bfloat16()
    y, s = net(*(value.bfloat16() for value in _inputs(2)))
    assert (y.dtype, s.dtype) == (torch.bfloat16, torch.bfloat16)
    assert torch.isfinite(y).all()


def test_config_builds_the_network_and_round_trips():
    config = GATrConfig(
        1, 2, 4, attention={"num_heads": 2}, num_blocks=1, algebra="Cl(3,0,0)", reinsert_mv_channels=[0]
    )
    assert GATrConfig.from_json(config.to_json()) == config
    net = GATr.from_config(config.to_dict())
    assert net.algebra is Algebra(3, 0, 0)
    assert net(torch.randn(2, 5, 1, 8))[0].shape == (2, 5, 2, 8)
    with pytest.raises(ConfigError, match="did you mean 'num_blocks'"):
        GATrConfig.cast({"num_block": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_blocks": 0}, "num_blocks"),
        ({"attention": {"heads": 2}}, "num_heads"),
        ({"mlp": {"activation": "elu"}}, "gelu"),
        ({"checkpoint": ("block", "mlp")}, "either 'block'"),
        ({"checkpoint": "layers"}, "choose one of"),
        ({"reinsert_mv_channels": (2,)}, "reinsert_mv_channels"),
        ({"dropout_probability": 2}, "dropout"),
        ({"compatibility": "gatr"}, "gatr-1.4.3"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        _net(**options)


def test_bad_inputs_are_named():
    net, (x, scalars) = _net(), _inputs(2)
    with pytest.raises(ShapeError, match="expected"):
        net(x[..., :8], scalars)
    with pytest.raises(ShapeError, match="items"):
        net(x[0, 0], scalars[0, 0])
    with pytest.raises(ShapeError, match="scalars is None"):
        net(x)
    with pytest.raises(ShapeError, match="samples or heads"):
        net(x, scalars, attention_mask=torch.ones(2, 5, 5, dtype=torch.bool))
    with pytest.raises(ConfigError, match="join_reference"):
        net(x, scalars, join_reference="mean")
    for shape in ((2, 16), (3, 1, 1, 16), (2, 1, 1, 8), (1, 2, 1, 1, 16)):
        with pytest.raises(ShapeError, match=r"\(2, 1, 1, 16\)"):
            net(x, scalars, join_reference=torch.randn(shape))
    axial = AxialGATr(2, 1, 4, **SMALL, collapse_dims=(True, False))
    with pytest.raises(ShapeError, match="batch, items_1"):
        axial(torch.randn(3, 4, 2, 16))
    with pytest.raises(ShapeError, match="pair"):
        axial(torch.randn(2, 3, 4, 2, 16), attention_mask=[None])
    with pytest.raises(ConfigError, match="two booleans"):
        AxialGATr(2, 1, 4, positional_encodings=(True,))


def test_block_alone():
    block = GATrBlock(4, algebra=Algebra(3, 0, 1), attention={"num_heads": 2})
    y, s = block(torch.randn(2, 5, 4, 16), reference=torch.randn(2, 1, 1, 16))
    assert y.shape == (2, 5, 4, 16)
    assert s is None
