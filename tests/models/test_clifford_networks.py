"""The networks of the CGENN and GLGENN papers: sizes, symmetries, options, and what they refuse."""

import copy
import pickle

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import ConfigError, DomainError, DTypeError, ShapeError
from cliffnet.models import (
    ChargedNBodyNet,
    ConvexHullNet,
    InvariantRegressionNet,
    LorentzTaggingNet,
    SignedVolumeNet,
)
from cliffnet.models._lorentz_layer import MaskedBatchNorm
from cliffnet.testing import assert_equivariant
from helpers.precise import assert_close

pytestmark = pytest.mark.usefixtures("double_precision")


def _shaken(net):
    # Zeros and ones of the first values hide faults.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def _size(net):
    return sum(parameter.numel() for parameter in net.parameters())


def _by_grade(dim):
    return Partition.by_grade(Algebra(dim))


def test_networks_have_the_published_sizes():
    assert _size(SignedVolumeNet()) == 48_913
    assert _size(SignedVolumeNet(hidden_channels=32, num_layers=6)) == 8_657
    assert _size(InvariantRegressionNet()) == 344_077
    assert _size(InvariantRegressionNet().layers) == 1_296
    assert _size(InvariantRegressionNet.glgenn()) == 343_389
    assert _size(InvariantRegressionNet.glgenn().layers) == 608
    assert _size(ConvexHullNet()) == 58_849
    assert {_size(ConvexHullNet.glgenn(dim)) for dim in (5, 6, 7)} == {24_129}
    assert [_size(ConvexHullNet.large(points)) for points in (256, 512)] == [790_913, 921_985]
    assert [_size(ConvexHullNet.large(points, blocks="cgenn")) for points in (256, 512)] == [1_719_937, 1_752_705]
    assert _size(ChargedNBodyNet()) == 134_625
    assert _size(ChargedNBodyNet(partition=_by_grade(5))) == 210_113
    assert _size(ChargedNBodyNet.glgenn(dim=5)) == 102_928
    assert _size(LorentzTaggingNet()) == 320_594
    assert _size(LorentzTaggingNet(layer_type="gpmlp")) == 259_018


PARTITIONS = [_by_grade(3), Partition.by_grade_mod(Algebra(4), 4), Partition.by_parity(Algebra(1, 3))]
BLOCKS = ["cgenn", "glgenn"]


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
@pytest.mark.parametrize("blocks", ["cgenn", {"gates": "grade", "normalization": None}], ids=["cgenn", "other"])
def test_signed_volume_changes_sign_under_reflections(partition, blocks):
    algebra = partition.algebra
    net = _shaken(SignedVolumeNet(2 + algebra.dim, 4, num_layers=3, partition=partition, blocks=blocks))
    options = {"inputs": [(3, 2 + algebra.dim)], "layouts": [algebra.vectors]}
    outputs = [algebra.pseudoscalars]
    assert_equivariant(lambda x: net(x).unsqueeze(-1), algebra, outputs=outputs, **options)
    with pytest.raises(AssertionError, match="g is a reflection"):
        assert_equivariant(net, algebra, outputs=["invariant"], **options)


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_regression_and_hulls_are_invariant(partition, blocks):
    options = {"partition": partition, "blocks": blocks}
    algebra = partition.algebra
    for net in (
        InvariantRegressionNet(3, 4, [5], **options),
        InvariantRegressionNet(3, 4, [], **options),
        ConvexHullNet(3, 4, num_layers=2, **options),
        ConvexHullNet(3, 4, num_layers=1, num_stages=2, readout_layers=2, **options),
    ):
        checked = {"inputs": [(2, 3)], "layouts": [algebra.vectors], "outputs": ["invariant"]}
        assert_equivariant(_shaken(net), algebra, **checked)
        with pytest.raises(AssertionError, match="differs"):
            assert_equivariant(lambda x, net=net: net(x + 1.0), algebra, **checked)


def test_norms_of_coefficients_are_no_invariants_of_an_indefinite_metric():
    algebra = Algebra(1, 3)
    checked = {"inputs": [(2, 3)], "layouts": [algebra.vectors], "outputs": ["invariant"]}
    nets = [
        ConvexHullNet(3, 4, num_layers=1, partition=Partition.by_grade(algebra), compatibility=name)
        for name in ("none", "cgenn")
    ]
    assert_equivariant(nets[0], algebra, **checked)
    with pytest.raises(AssertionError, match="differs"):
        assert_equivariant(nets[1], algebra, **checked)


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_charged_bodies_move_with_the_space(partition, blocks):
    algebra = partition.algebra
    net = _shaken(ChargedNBodyNet(4, 2, partition=partition, blocks=blocks, residual=blocks == "cgenn"))
    charges = torch.randn(2, 4)
    options = {"inputs": [(2, 4), (2, 4)], "layouts": [algebra.vectors] * 2, "outputs": [algebra.vectors]}
    assert_equivariant(lambda x, v: net(x, v, charges), algebra, **options)
    with pytest.raises(AssertionError, match="differs"):
        assert_equivariant(lambda x, v: net(x, v, charges) + 1.0, algebra, **options)
    x, v = torch.randn(2, 2, 4, algebra.dim)
    shift, order = torch.randn(algebra.dim), torch.randperm(4)
    y = net(x, v, charges)
    assert_close(net(x + shift, v, charges), y + shift)
    assert_close(net(x[:, order], v[:, order], charges[:, order]), y[:, order])
    assert_close(net(x[1], v[1], charges[1, :, None]), y[1])


def test_edges_of_charged_bodies():
    net = _shaken(ChargedNBodyNet(4, 2, aggregation="sum"))
    x, v, charges = torch.randn(2, 4, 3), torch.randn(2, 4, 3), torch.randn(2, 4)
    pairs = torch.tensor([[i, j] for i in range(4) for j in range(4) if i != j]).T
    y = net(x, v, charges)
    products = charges[:, pairs[0]] * charges[:, pairs[1]]
    for arguments in ((pairs,), (torch.stack([pairs, pairs]),), (pairs, products.unsqueeze(-1))):
        assert_close(net(x, v, charges, *arguments), y)
    # Graphs may differ from system to system.
    subsets = torch.stack([pairs[:, :5], pairs[:, 7:]])
    apart = [net(x[index], v[index], charges[index], subsets[index]) for index in range(2)]
    assert_close(net(x, v, charges, subsets), torch.stack(apart))
    without = ChargedNBodyNet(4, 1, edge_channels=0)
    assert torch.equal(without(x, v, charges), without(x, v, charges, pairs[:, torch.argsort(pairs[1], stable=True)]))
    assert without(x[:, :1], v[:, :1], charges[:, :1]).isfinite().all()
    shared = ChargedNBodyNet(4, 1, edge_channels=2)
    attributes = torch.randn(12, 2)
    repeated = shared(x, v, charges, pairs, attributes.expand(2, 12, 2))
    assert_close(shared(x, v, charges, pairs, attributes), repeated)


JETS = {
    "fc": {"layer_type": "fc", "normalization": 0.5},
    "gpmlp, sum, residual": {"layer_type": "gpmlp", "aggregation": "sum", "residual": True},
    "without gates": {"scalars_gate": False},
    "without scalars": {"hidden_scalar_channels": 0, "scalars_gate": False, "residual": True},
    "classes modulo 4": {"partition": Partition.by_grade_mod(Algebra(1, 3), 4)},
    "faults": {"compatibility": "cgenn"},
}


@pytest.mark.parametrize("options", JETS.values(), ids=JETS)
@pytest.mark.parametrize("training", [True, False])
def test_jets_are_classified_invariantly(options, training):
    net = _shaken(
        LorentzTaggingNet(**{"hidden_mv_channels": 2, "hidden_scalar_channels": 3, "num_layers": 2, **options})
    )
    net.train(training).readout[2].p = 0.0
    scalars, mask = torch.randn(3, 5, 2), torch.tensor([[True] * 5, [True] * 4 + [False], [True] * 5])
    algebra = Algebra(1, 3)
    checked = {"inputs": [(3, 5)], "layouts": [algebra.vectors], "outputs": ["invariant"]}
    assert_equivariant(lambda p: net(p, scalars, mask), algebra, **checked)
    momenta, order = torch.randn(3, 5, 4), torch.randperm(5)
    shuffled = net(momenta[:, order], scalars[:, order], mask[:, order])
    assert_close(shuffled, net(momenta, scalars, mask))


def test_a_shifted_momentum_breaks_the_symmetry_of_jets():
    net, scalars = _shaken(LorentzTaggingNet(2, 3, 1)).eval(), torch.randn(3, 5, 2)
    algebra = Algebra(1, 3)
    with pytest.raises(AssertionError, match="differs"):
        assert_equivariant(
            lambda p: net(p + 1.0, scalars),
            algebra,
            inputs=[(3, 5)],
            layouts=[algebra.vectors],
            outputs=["invariant"],
        )


@pytest.mark.parametrize("training", [True, False])
def test_padding_of_jets_counts_only_as_a_fault(training):
    momenta, scalars = torch.randn(3, 5, 4), torch.randn(3, 5, 2)
    padded = [torch.nn.functional.pad(value, (0, 0, 0, 3)) for value in (momenta, scalars)]
    mask = torch.arange(8).expand(3, 8) < 5
    for compatibility, same in (("none", True), ("cgenn", False)):
        net = _shaken(LorentzTaggingNet(2, 3, 2, compatibility=compatibility, dropout_probability=0.0)).train(training)
        plain = net(momenta, scalars, torch.ones(3, 5, dtype=torch.bool))
        assert torch.allclose(net(*padded, mask), plain, rtol=1e-12, atol=1e-12) is same
        assert_close(net(momenta, scalars), plain)


@pytest.mark.parametrize("training", [True, False])
def test_padding_may_hold_anything(training):
    net = _shaken(LorentzTaggingNet(2, 3, 2, dropout_probability=0.0)).train(training)
    momenta, scalars = torch.randn(3, 8, 4), torch.randn(3, 8, 2)
    mask = torch.arange(8).expand(3, 8) < 5

    def results(padding):
        values = (value.masked_fill(~mask.unsqueeze(-1), padding) for value in (momenta, scalars))
        y = net(*values, mask)
        return y, *torch.autograd.grad(y.square().sum(), tuple(net.parameters()))

    expected = results(0.0)
    assert all(torch.equal(x, y) for x, y in zip(results(torch.nan), expected, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(results(torch.inf), expected, strict=True))


def test_masked_statistics_are_those_of_the_rows_that_are_kept():
    norms = [MaskedBatchNorm(4), torch.nn.BatchNorm1d(4)]
    x, mask = torch.randn(9, 4) + 1.0, torch.arange(9) % 3 > 0
    assert_close(norms[0](x, mask)[mask], norms[1](x[mask]))
    for ours, theirs in zip(norms[0].state_dict().values(), norms[1].state_dict().values(), strict=True):
        assert_close(ours, theirs)


SMALL = {
    "volume": (lambda: SignedVolumeNet(hidden_channels=3), lambda size: (torch.randn(size, 3, 3),)),
    "regression": (lambda: InvariantRegressionNet(readout_channels=[5]), lambda size: (torch.randn(size, 2, 5),)),
    "hull": (
        lambda: ConvexHullNet.glgenn(dim=3, hidden_channels=3, num_layers=1),
        lambda size: (torch.randn(size, 16, 3),),
    ),
    "bodies": (lambda: ChargedNBodyNet(3, 1), lambda size: (*torch.randn(2, size, 5, 3), torch.randn(size, 5))),
    "jets": (lambda: LorentzTaggingNet(2, 3, 1, dropout_probability=0.0), lambda size: _jets(size)),
}


def _jets(size):
    pairs = torch.tensor([[i, j] for i in range(5) for j in range(5) if i != j]).T
    edges = (pairs[:, None] + 5 * torch.arange(size)[:, None]).flatten(1)
    return torch.randn(size, 5, 4), torch.randn(size, 5, 2), torch.arange(5).expand(size, 5) < 4, edges


# The layers of the others are among those of these.
@pytest.mark.parametrize("name", ["hull", "bodies", "jets"])
def test_one_graph_serves_every_batch(name):
    make, inputs = SMALL[name]
    net = _shaken(make())
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for size in (9, 7, 12):
            arguments, results = inputs(size), []
            for function in (net, compiled):
                net.zero_grad()
                y = function(*arguments)
                y.square().sum().backward()
                results.append([y, *(parameter.grad.clone() for parameter in net.parameters())])
            assert_close(results[0], results[1])


@pytest.mark.parametrize("name", SMALL)
def test_copies_and_states(name):
    make, inputs = SMALL[name]
    net, arguments = make(), inputs(3)
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(copied(*arguments), net(*arguments))
    other = _shaken(make())
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(*arguments), net(*arguments))
    assert sum(value.numel() for key, value in net.state_dict().items() if "running" not in key) < _size(net) + 9
    single = make().float()(*(value.float() if value.is_floating_point() else value for value in arguments))
    assert single.dtype == torch.float32


def test_gradients_of_a_small_network():
    net = _shaken(ChargedNBodyNet(2, 1, partition=_by_grade(2)))
    x, v, q = torch.randn(3, 2), torch.randn(3, 2), torch.randn(3)
    leaves = [value.requires_grad_() for value in (x, v, q)]
    names = [name for name, _ in net.named_parameters()][::3]
    values = [net.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def call(x, v, q, *parameters):
        return torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x, v, q))

    assert torch.autograd.gradcheck(call, (*leaves, *values))


def test_activations_stay_blade_major():
    nets = [
        (SignedVolumeNet(hidden_channels=3), (torch.randn(2, 3, 3),)),
        (ConvexHullNet(hidden_channels=3), (torch.randn(2, 16, 5),)),
        (ChargedNBodyNet(3, 1), (*torch.randn(2, 2, 5, 3), torch.randn(2, 5))),
        (LorentzTaggingNet(2, 3, 1), _jets(2)),
    ]
    seen = []

    def look(layer, inputs, output):
        if isinstance(output, torch.Tensor) and output.dim() == 3 and output.shape[-1] in (8, 16, 32):
            seen.append(F.is_blade_major(output))

    for net, arguments in nets:
        for layer in net.modules():
            layer.register_forward_hook(look)
        net(*arguments)
    assert len(seen) > 30
    assert all(seen)


def test_wrong_requests_are_named():
    for build, message in [
        (lambda: SignedVolumeNet(num_layers=0), "num_layers is 0"),
        (lambda: ConvexHullNet(blocks="glgen"), "did you mean 'glgenn'"),
        (lambda: ConvexHullNet(compatibility="cgen"), "did you mean 'cgenn'"),
        (lambda: ChargedNBodyNet(edge_channels=-1), "edge_channels is -1; give a whole number of at least 0"),
        (lambda: LorentzTaggingNet(layer_type="gp"), "did you mean"),
        (lambda: LorentzTaggingNet(hidden_scalar_channels=0), "scalars_gate=False"),
        (lambda: LorentzTaggingNet(hidden_scalar_channels=-1), "hidden_scalar_channels is -1"),
        (lambda: LorentzTaggingNet(aggregation="max"), "mean, sum"),
        (lambda: LorentzTaggingNet(dropout_probability=1.5), "dropout_probability is 1.5"),
        (lambda: ConvexHullNet.large(16, blocks={"bias": False}), "choose one of cgenn, glgenn"),
    ]:
        with pytest.raises(ConfigError, match=message):
            build()
    hull, bodies, jets = ConvexHullNet(), ChargedNBodyNet(3, 1), LorentzTaggingNet(2, 3, 1)
    x, v, q = torch.randn(2, 5, 3), torch.randn(2, 5, 3), torch.randn(2, 5)
    p, s = torch.randn(2, 5, 4), torch.randn(2, 5, 2)
    pairs = torch.tensor([[0, 1], [1, 5]])
    for call, error, message in [
        (lambda: hull(torch.randn(2, 16, 4)), ShapeError, r"expected \(\.\.\., 16, 5\)"),
        (lambda: hull(torch.ones(2, 16, 5, dtype=torch.int64)), DTypeError, "floating-point"),
        (lambda: bodies(x, v[:1], q), ShapeError, "expected the same"),
        (lambda: bodies(x, v, q[:, :3]), ShapeError, "one for each body"),
        (lambda: bodies(x, v, q, pairs), DomainError, "there are"),
        (lambda: bodies(x, v, q, torch.zeros(3, 2, 4, dtype=torch.int64)), ShapeError, r"\(2, 2, edges\)"),
        (lambda: bodies(x, v, q, None, torch.randn(20, 2)), ShapeError, r"expected \(20, 1\) for all systems"),
        (lambda: bodies(x, v, q, None, torch.randn(10, 1)), ShapeError, r"or \(2, 20, 1\)"),
        (lambda: jets(p[..., :3], s), ShapeError, "4"),
        (lambda: jets(p[0], s), ShapeError, "batch, particles"),
        (lambda: jets(p, s[..., :1]), ShapeError, r"expected \(2, 5, 2\)"),
        (lambda: jets(p, s.float()), DTypeError, "momenta and scalars have dtypes"),
        (lambda: jets(p, s, torch.ones(2, 4)), ShapeError, "one entry for each particle"),
        (lambda: jets(p, s, None, torch.tensor([[0], [10]])), DomainError, "10"),
    ]:
        with pytest.raises(error, match=message):
            call()
