"""EGNN: symmetry, options, isolated nodes, graphs in one batch, compilation, derivatives and refusals."""

import pytest
import torch

from cliffnet.errors import ConfigError, DomainError, DTypeError, ShapeError
from cliffnet.models import EGNN, EGNNLayer, VelocityEGNN
from helpers.precise import assert_close

pytestmark = pytest.mark.usefixtures("double_precision")

NODES, EDGES = 6, 14
OPTIONS = {
    "plain": {},
    "attention": {"attention": True, "activation": "relu"},
    "unit": {"displacement": "unit", "aggregation": "sum"},
    "soft": {"displacement": "soft", "tanh": True, "activation": "tanh"},
    "no residual": {"residual": False, "coordinate_weight": 0.3, "activation": "leaky_relu"},
}


def _randomized(module):
    # the networks of coordinates start almost at zero
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5)
    return module


def _graph(edge_channels=2, channels=3, dim=3):
    # the last node has no edges
    edge_index = torch.randint(NODES - 1, (2, EDGES))
    return torch.randn(NODES, channels), torch.randn(NODES, dim), edge_index, torch.randn(EDGES, edge_channels)


def _isometry(dim):
    return torch.linalg.qr(torch.randn(dim, dim)).Q, 3.0 * torch.randn(dim)


def _assert_moved(net, dim=3):
    """Assert that the points of a network move with an isometry and that its features do not."""
    h, x, edge_index, a = _graph(dim=dim)
    q, shift = _isometry(dim)
    features, points = net(h, x, edge_index, a)
    moved_features, moved_points = net(h, x @ q.T + shift, edge_index, a)
    assert_close(moved_features, features)
    assert_close(moved_points, points @ q.T + shift)
    assert (points - x)[:-1].abs().max() > 1e-3


@pytest.mark.parametrize("dim", [1, 3, 5])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_commutes_with_isometries(options, dim):
    _assert_moved(_randomized(EGNN(3, 4, 8, 2, edge_channels=2, **options)), dim)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_velocities_turn_but_do_not_shift(options):
    net = _randomized(VelocityEGNN(3, 8, 2, **options))
    h, x, edge_index, a = _graph()
    v, (q, shift) = torch.randn_like(x), _isometry(3)
    points = net(h, x, v, edge_index, a)
    assert_close(net(h, x @ q.T + shift, v @ q.T, edge_index, a), points @ q.T + shift)
    assert (net(h, x, 2 * v, edge_index, a) - points).abs().max() > 1e-3


def test_a_clamp_that_takes_effect_breaks_the_symmetry():
    _assert_moved(_randomized(EGNN(3, 4, 8, 2, edge_channels=2, clamp=1e9)))
    with pytest.raises(AssertionError, match="not close"):
        _assert_moved(_randomized(EGNN(3, 4, 8, 2, edge_channels=2, clamp=0.01)))


def test_commutes_with_permutations_of_nodes_and_edges():
    net = _randomized(EGNN(3, 4, 8, 2, edge_channels=2, attention=True))
    h, x, edge_index, a = _graph()
    features, points = net(h, x, edge_index, a)
    order, edge_order = torch.randperm(NODES), torch.randperm(EDGES)
    place = order.argsort()
    permuted = net(h[order], x[order], place[edge_index[:, edge_order]], a[edge_order])
    assert_close(permuted[0], features[order])
    assert_close(permuted[1], points[order])


def test_messages_go_from_the_first_row_to_the_second():
    layer = _randomized(EGNNLayer(3, 3, 8))
    h, x, _, _ = _graph()
    moved_h, moved_x = h.clone(), x.clone()
    moved_h[0], moved_x[0] = 5.0, 7.0
    edge_index = torch.tensor([[0, 0], [1, 2]])
    before, after = layer(h, x, edge_index), layer(moved_h, moved_x, edge_index)
    for first, second in zip(before, after, strict=True):
        changed = (first - second).abs().amax(-1) > 1e-9
        assert changed.tolist() == [True, True, True, False, False, False]


def test_isolated_nodes_and_empty_graphs():
    net = _randomized(EGNN(3, 4, 8, 2, edge_channels=2))
    h, x, edge_index, a = _graph()
    _, points = net(h, x, edge_index, a)
    assert torch.equal(points[-1], x[-1])
    none, no_attributes = torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, 2)
    features, points = net(h, x, none, no_attributes)
    assert torch.equal(points, x)
    assert features.isfinite().all()
    features, points = net(h[:0], x[:0], none, no_attributes)
    assert features.shape == (0, 4)
    assert points.shape == (0, 3)


def test_graphs_of_a_batch_do_not_meet():
    net = _randomized(EGNN(3, 4, 8, 2, edge_channels=2))
    graphs = [_graph(), _graph()]
    together = [torch.cat(parts, -1 if index == 2 else 0) for index, parts in enumerate(zip(*graphs, strict=True))]
    together[2][:, EDGES:] += NODES
    for ours, theirs in zip(net(*together), zip(*[net(*graph) for graph in graphs], strict=True), strict=True):
        assert_close(ours, torch.cat(theirs))


@pytest.mark.parametrize("displacement", ["plain", "unit", "soft"])
def test_coinciding_nodes_have_finite_derivatives(displacement):
    layer = _randomized(EGNNLayer(3, 3, 8, displacement=displacement))
    h, x, _, _ = _graph()
    x[1] = x[0]
    x.requires_grad_()
    _, points = layer(h, x, torch.tensor([[0, 1, 2, 2], [1, 0, 2, 0]]))
    (gradient,) = torch.autograd.grad(points.square().sum(), x)
    assert gradient.isfinite().all()


def test_twice_differentiable_and_inputs_are_left_alone():
    layer = _randomized(EGNNLayer(2, 2, 3, velocity=True, attention=True, displacement="soft"))
    h, x, edge_index, _ = _graph(channels=2, dim=2)
    v = torch.randn_like(x)
    kept = [tensor.clone() for tensor in (h, x, v)]
    inputs = [tensor.requires_grad_() for tensor in (h, x, v)]
    edge_index = edge_index[:, edge_index[0] != edge_index[1]][:, :6]
    assert torch.autograd.gradgradcheck(lambda h, x, v: layer(h, x, edge_index, velocities=v), inputs)
    assert all(torch.equal(before, after) for before, after in zip(kept, inputs, strict=True))


def test_compiled_for_any_graph():
    net = _randomized(VelocityEGNN(3, 8, 1))
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="aot_eager")
    for nodes, edges in ((6, 14), (9, 40), (7, 5)):
        inputs = (torch.randn(nodes, 3), torch.randn(nodes, 3), torch.randn(nodes, 3))
        edge_index, a = torch.randint(nodes, (2, edges)), torch.randn(edges, 2)
        assert_close(compiled(*inputs, edge_index, a), net(*inputs, edge_index, a))


def test_attributes_of_nodes():
    layer = _randomized(EGNNLayer(3, 5, 8, node_channels=2, residual=False))
    h, x, edge_index, _ = _graph()
    b = torch.randn(NODES, 2)
    features, _ = layer(h, x, edge_index, node_attributes=b)
    assert features.shape == (NODES, 5)
    assert (layer(h, x, edge_index, node_attributes=2 * b)[0] - features).abs().max() > 1e-3


def test_published_size():
    assert sum(parameter.numel() for parameter in VelocityEGNN().parameters()) == 134_020


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation": "max"}, "aggregation is 'max'; choose one of mean, sum"),
        ({"displacement": "units"}, "did you mean 'unit'"),
        ({"activation": "selu"}, "activation is 'selu'"),
        ({"clamp": 0}, "clamp is 0"),
        ({"edge_channels": -1}, "edge_channels is -1"),
        ({"out_channels": 4}, "residual adds 3 channels to 4"),
        ({"hidden_channels": 0}, "hidden_channels is 0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        EGNNLayer(**{"in_channels": 3, "out_channels": 3, "hidden_channels": 8, **options})


def test_bad_inputs_are_named():
    net = EGNN(3, 4, 8, 2, edge_channels=2)
    h, x, edge_index, a = _graph()
    for arguments, error, message in (
        ((h[:, :2], x, edge_index, a), ShapeError, r"features have shape \(6, 2\), expected \(nodes, 3\)"),
        ((h, x[:-1], edge_index, a), ShapeError, r"points have shape \(5, 3\), expected \(6, n\)"),
        ((h, x.float(), edge_index, a), DTypeError, "features and points have dtypes"),
        ((h, x, edge_index), ShapeError, r"edge_attributes are missing, expected shape \(14, 2\)"),
        ((h, x, edge_index, a[:-1]), ShapeError, r"edge_attributes has shape \(13, 2\), expected \(14, 2\)"),
        ((h, x, edge_index + NODES, a), DomainError, "there are 6 nodes, counted from 0"),
        ((h, x, edge_index.float(), a), DTypeError, "expected int64"),
        ((h, x, edge_index, a.float()), DTypeError, "edge_attributes and features have dtypes"),
    ):
        with pytest.raises(error, match=message):
            net(*arguments)
    with pytest.raises(ShapeError, match="built without edge_attributes"):
        EGNN(3, 4, 8)(h, x, edge_index, a)
    with pytest.raises(ShapeError, match=r"velocities are of shape \(6, 2\), expected shape \(6, 3\)"):
        VelocityEGNN(3, 8, 2)(h, x, x[:, :2], edge_index, a)
    with pytest.raises(DTypeError, match="velocities and points have dtypes"):
        VelocityEGNN(3, 8, 2)(h, x, x.float(), edge_index, a)
    with pytest.raises(ShapeError, match="velocities are missing"):
        EGNNLayer(3, 3, 8, velocity=True)(h, x, edge_index)
    with pytest.raises(ShapeError, match="build it with velocity=True"):
        EGNNLayer(3, 3, 8)(h, x, edge_index, velocities=x)
