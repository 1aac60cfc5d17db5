"""The graph convolution against a loop over its edges, and what it refuses."""

import copy
import pickle

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ConfigError, DomainError, DTypeError, ShapeError
from cliffnet.nn import CEMLP, ClassNormalization, EquivariantGraphConvolution, MVLayerNorm, MVSiLU
from cliffnet.testing import assert_equivariant
from helpers.precise import assert_close

pytestmark = pytest.mark.usefixtures("double_precision")

ALGEBRAS = [Algebra(3), Algebra(1, 3), Algebra(2, 0, 1)]
# Few edges and many: the layer works in two ways. Nodes 4 and 5 hear nothing; edges repeat, and one is a loop.
FEW = torch.tensor([[0, 1, 2, 4], [1, 0, 0, 3]])
MANY = torch.tensor([[0, 1, 2, 4, 3, 2, 2, 5, 1], [1, 0, 0, 3, 2, 2, 1, 0, 0]])


def _layer(partition, **options):
    layer = EquivariantGraphConvolution(2, 4, options.pop("out_channels", 2), partition=partition, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def _loop(layer, x, edge_index, edges=None, nodes=None):
    arrived = [[] for _ in x]
    for index, (source, target) in enumerate(edge_index.T.tolist()):
        parts = [x[target] - x[source]] + ([] if edges is None else [edges[index]])
        arrived[target].append(layer.edge_mlp(torch.cat(parts)))
    rows = []
    for own, messages in zip(x, arrived, strict=True):
        stacked = torch.stack(messages) if messages else torch.zeros(1, layer.edge_mlp.layers[-1].gain.shape[0], 8)
        joined = stacked.mean(0) if layer.aggregation == "mean" else stacked.sum(0)
        rows.append(torch.cat([own, joined] + ([] if nodes is None else [nodes[len(rows)]])))
    update = layer.node_mlp(torch.stack(rows))
    return x + update if layer.residual else update


@pytest.mark.parametrize("edge_index", [FEW, MANY, MANY[:, :0]], ids=["few", "many", "none"])
@pytest.mark.parametrize("aggregation", ["mean", "sum"])
@pytest.mark.parametrize("attributes", [False, True])
def test_it_does_what_a_loop_over_the_edges_does(edge_index, aggregation, attributes):
    options = {"edge_channels": 1, "node_channels": 3} if attributes else {"residual": False, "out_channels": 3}
    layer = _layer(Partition.by_grade(Algebra(3)), aggregation=aggregation, **options)
    x = torch.randn(6, 2, 8)
    more = (torch.randn(edge_index.shape[1], 1, 8), torch.randn(6, 3, 8)) if attributes else ()
    expected = _loop(layer, x, edge_index, *more)
    assert_close(layer(x, edge_index, *more), expected)
    blade_major = layer(F.to_blade_major(x), edge_index, *(F.to_blade_major(value) for value in more))
    assert F.is_blade_major(blade_major)
    assert_close(blade_major, expected)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
@pytest.mark.parametrize("blocks", ["cgenn", "glgenn"])
@pytest.mark.parametrize("edge_index", [FEW, MANY], ids=["few", "many"])
def test_it_is_equivariant(algebra, blocks, edge_index):
    layer = _layer(Partition.by_grade_mod(algebra, 4), blocks=blocks, edge_channels=1)

    def call(x, edges):
        return layer(x, edge_index, edges)

    assert_equivariant(call, algebra, "isometries", inputs=[(6, 2), (edge_index.shape[1], 1)])
    with pytest.raises(AssertionError, match="differs"):
        assert_equivariant(lambda x, edges: call(x + 1.0, edges), algebra, inputs=[(6, 2), (edge_index.shape[1], 1)])


def test_relabelling_nodes_and_reordering_edges():
    layer = _layer(Partition.by_grade(Algebra(3)))
    x, order = torch.randn(6, 2, 8), torch.randperm(6)
    place = torch.empty_like(order)
    place[order] = torch.arange(6)
    shuffled = place[MANY][:, torch.randperm(MANY.shape[1])]
    assert_close(layer(x[order], shuffled), layer(x, MANY)[order])


def test_blocks_say_what_an_mlp_is_made_of():
    partition = Partition.by_grade_mod(Algebra(5), 4)
    for blocks, gates, norm, bias in (("cgenn", 4, MVLayerNorm, True), ("glgenn", 6, ClassNormalization, False)):
        mlp = CEMLP(2, 3, 1, partition=partition, blocks=blocks)
        linear, gate, product, last = mlp.layers[:4]
        assert isinstance(gate, MVSiLU)
        assert gate.scale.shape == (3, gates)
        assert isinstance(last, norm)
        assert (linear.bias is not None) is bias
        assert (product.left is not None) is bias
    mlp = CEMLP(2, 3, 1, partition=partition, blocks={"normalization": None})
    assert mlp.layers[2].normalization is None
    x = torch.randn(4, 2, 32)
    assert_close(mlp.after_first(mlp.first(x)), mlp(x))


def test_copies_compute_the_same():
    layer = _layer(Partition.by_grade_mod(Algebra(3), 2))
    x = torch.randn(6, 2, 8)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(copied(x, MANY), layer(x, MANY))
    assert all(
        name.rsplit(".", 1)[-1] in {"weight", "bias", "scale", "shift", "strength", "gain"}
        for name in layer.state_dict()
    )


def test_wrong_requests_are_named():
    partition = Partition.by_grade(Algebra(3))
    for options, error, message in [
        ({"out_channels": 3}, ConfigError, "2 go in and 3 out"),
        ({"aggregation": "max"}, ConfigError, "choose one of mean, sum"),
        ({"edge_channels": -1}, ConfigError, "edge_channels is -1; give a whole number of at least 0"),
        ({"blocks": "egnn"}, ConfigError, "choose one of cgenn, glgenn"),
    ]:
        with pytest.raises(error, match=message):
            _layer(partition, **options)
    with pytest.raises(AlgebraMismatchError, match=r"Partition\.by_grade"):
        _layer(Algebra(3))
    layer, x = _layer(partition, edge_channels=1), torch.randn(6, 2, 8)
    edges = torch.randn(9, 1, 8)
    for arguments, error, message in [
        ((x, MANY), ShapeError, "1 channels of edge_attributes, but none were given"),
        ((x, MANY, edges, x), ShapeError, "0 channels of node_attributes"),
        ((x, MANY, edges[:3]), ShapeError, "one entry per edge"),
        ((x[:, :1], MANY, edges), ShapeError, r"expected \(\.\.\., 2, 8\)"),
        ((x[None], MANY, edges), ShapeError, "flatten batches first"),
        ((x, MANY.T, edges), ShapeError, "transpose"),
        ((x, MANY.double(), edges), DTypeError, "int64"),
        ((x, MANY + 2, edges), DomainError, "there are 6 nodes"),
    ]:
        with pytest.raises(error, match=message):
            layer(*arguments)
