"""Arguments that do not fit are refused with the same named errors whether or not derivatives are recorded."""

import pytest
import torch
from torch import Tensor

from cliffnet import Algebra, Partition, errors
from cliffnet import functional as F

ALGEBRA = Algebra(3)
PARTITION = Partition.by_grade(ALGEBRA)
PATHS = len(PARTITION.paths())

FUNCTIONS = {
    "geometric_product": (lambda x, y: F.geometric_product(x, y, ALGEBRA), ((5, 3, 8), (5, 3, 8))),
    "steerable_product": (
        lambda x, y, weight: F.steerable_product(x, y, weight, PARTITION),
        ((5, 3, 8), (5, 3, 8), (3, PATHS)),
    ),
    "gated_steerable_product": (
        lambda x, y, weight: F.gated_steerable_product(x, y, weight, PARTITION),
        ((5, 3, 8), (5, 3, 8), (3, PATHS)),
    ),
    "fully_connected_product": (
        lambda x, y, weight: F.fully_connected_product(x, y, weight, PARTITION),
        ((5, 3, 8), (5, 3, 8), (2, 3, PATHS)),
    ),
    "equivariant_linear": (
        lambda x, weight, bias: F.equivariant_linear(x, weight, PARTITION.projections(), bias),
        ((5, 3, 8), (2, 3, 4), (2,)),
    ),
    "class_squares": (lambda x: F.class_squares(x, PARTITION), ((5, 3, 8),)),
    "class_norms": (lambda x: F.class_norms(x, PARTITION), ((5, 3, 8),)),
    "class_inner_products": (lambda x, y: F.class_inner_products(x, y, PARTITION), ((5, 3, 8), (5, 3, 8))),
    "gate": (lambda x, gates: F.gate(x, gates, partition=PARTITION), ((5, 3, 8), (5, 3, 4))),
    "scalar_gate": (lambda x: F.scalar_gate(x, algebra=ALGEBRA), ((5, 3, 8),)),
    "layer_norm": (lambda x: F.layer_norm(x, ALGEBRA), ((5, 3, 8),)),
}

UNFIT = {
    "a list": lambda x: x.tolist(),
    "integers": lambda x: x.int(),
    "complex numbers": lambda x: x.to(torch.complex64),
    "no axes": lambda x: x.new_tensor(1.0),
    "no elements": lambda x: x.new_empty(0),
    "a short last axis": lambda x: x[..., :-1],
    "a long last axis": lambda x: torch.cat((x, x), -1),
    "sparse": lambda x: x.to_sparse(),
    "nested": lambda x: torch.nested.nested_tensor([x, x]),
    "ragged": lambda x: torch.nested.nested_tensor([x, x[:1]], layout=torch.jagged),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("unfit", UNFIT)
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_unfit_tensors(name: str, requires_grad: bool, unfit: str) -> None:
    function, shapes = FUNCTIONS[name]
    for index in range(len(shapes)):
        tensors: list[Tensor] = [torch.randn(shape) for shape in shapes]
        for other, tensor in enumerate(tensors):
            tensor.requires_grad_(requires_grad and other != index)
        if name == "equivariant_linear" and index == 2 and unfit == "a short last axis":
            continue  # a bias of one entry broadcasts
        tensors[index] = UNFIT[unfit](tensors[index])
        with pytest.raises(errors.CliffnetError):
            function(*tensors)


@pytest.mark.parametrize("name", [name for name, (_, shapes) in FUNCTIONS.items() if len(shapes) > 1])
def test_one_tensor_of_another_dtype(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    for index in range(len(shapes)):
        tensors = [torch.randn(shape, requires_grad=True) for shape in shapes]
        tensors[index] = tensors[index].detach().double()
        with pytest.raises(errors.DTypeError, match="float64"):
            function(*tensors)


@pytest.mark.parametrize("product", [F.steerable_product, F.fully_connected_product])
def test_unknown_product(product: object) -> None:
    x = torch.randn(3, 8)
    with pytest.raises(errors.ConfigError, match="geometric_product"):
        product(x, x, torch.randn(3, PATHS), PARTITION, kind="dot")


def test_grades_equal_to_integers_become_integers() -> None:
    partition = Partition(ALGEBRA, [[0.0, True], [2, 3]])
    assert (partition.classes, partition.key) == (((0, 1), (2, 3)), "0,1|2,3")
    x = torch.randn(3, 8)
    assert F.steerable_product(x, x, torch.randn(3, len(partition.paths())), partition).shape == x.shape


def test_grades_that_do_not_compare_are_refused() -> None:
    with pytest.raises(errors.PartitionError, match="not lists of grades"):
        Partition(ALGEBRA, [["a"], [0, 1, 2, 3]])
