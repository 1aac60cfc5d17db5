"""Equivariant linear maps between channels against one dense matrix per map."""

import pytest
import torch

from cliffnet import Algebra, LinearMaps, Partition
from cliffnet import functional as F
from helpers.multivectors import SIGNED_BASIS, random_integers

MAPS = {
    "Cl(3,0,1) pin": Algebra(3, 0, 1).equivariant_maps("pin"),
    "Cl(3,0,1) spin": Algebra(3, 0, 1).equivariant_maps("spin"),
    "Cl(1,3) spin": Algebra(1, 3).equivariant_maps("spin"),
    "Cl(3,0) by grade": Partition.by_grade(Algebra(3)).projections(),
    "Cl(5,0) by grade mod 4": Partition.by_grade_mod(Algebra(5), 4).projections(),
    "Cl(2,0) whole": Partition.whole(Algebra(2)).projections(),
    "Cl(4,1) pin": Algebra(4, 1).equivariant_maps("pin"),
    "signed basis": Algebra(3, 0, 1, basis=SIGNED_BASIS).equivariant_maps("pin"),
    "null plane": Algebra(0, 0, 2).equivariant_maps("pin"),
    "scalars": Algebra(0).equivariant_maps("pin"),
    # overlapping outputs, coefficients other than one, blades that no map reaches
    "any maps": LinearMaps(Algebra(2), [[(0, 1, 2.0), (0, 2, -1.0), (3, 0, 0.5)], [(0, 1, 1.0), (3, 3, -3.0)]]),
    "no maps": LinearMaps(Algebra(2), []),
}
SHAPES = [(), (5,), (2, 3), (2, 1, 3, 2), (0,), (2, 0)]


def dense(x, weight, maps, bias=None):
    result = torch.einsum("oim,mpq,...iq->...op", weight, maps.matrices(x.dtype), x)
    if bias is not None:
        scalar = torch.zeros(maps.algebra.num_blades, dtype=x.dtype)
        scalar[maps.algebra.index("1")[0]] = 1.0
        result = result + bias[..., None] * scalar
    return result


def integers(*shape, seed, dtype=torch.float64):
    return torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS)
def test_linear_is_the_dense_map(maps, shape):
    x = random_integers(maps.algebra, *shape, 3)
    weight = integers(2, 3, len(maps), seed=1)
    biases = [None, integers(2, seed=2), integers(*shape, 2, seed=3)]
    for bias in biases:
        expected = dense(x, weight, maps, bias)
        for inputs in (x, F.to_blade_major(x), x.mT.contiguous().mT, x.repeat_interleave(2, dim=-2)[..., ::2, :]):
            result = F.equivariant_linear(inputs, weight, maps, bias)
            assert torch.equal(result, expected)
            assert F.is_blade_major(result) if F.is_blade_major(inputs) else result.is_contiguous()


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS)
def test_linear_of_expanded_input_is_the_dense_map(maps):
    x = random_integers(maps.algebra, 1, 1).expand(4, 3, -1)
    weight = integers(1, 1, len(maps), seed=1).expand(2, 3, len(maps))
    bias = integers(1, 2, seed=2)
    assert torch.equal(F.equivariant_linear(x, weight, maps, bias), dense(x, weight, maps, bias))


@pytest.mark.parametrize("blade_major", [False, True], ids=["contiguous", "blade-major"])
@pytest.mark.parametrize("name", ["Cl(3,0) by grade", "Cl(3,0,1) pin", "any maps", "Cl(1,3) spin"])
def test_linear_gradients(name, blade_major):
    maps = MAPS[name]
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator, requires_grad=True)

    x, weight, bias = random(2, 2, maps.algebra.num_blades), random(2, 2, len(maps)), random(2)

    def function(x, weight, bias):
        return F.equivariant_linear(F.to_blade_major(x) if blade_major else x, weight, maps, bias)

    assert torch.autograd.gradcheck(function, (x, weight, bias))
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_linear_keeps_the_dtype(dtype):
    maps = MAPS["Cl(3,0,1) pin"]
    x = random_integers(maps.algebra, 7, 4, dtype=dtype)
    weight = integers(5, 4, len(maps), seed=1, dtype=dtype)
    bias = integers(5, seed=2, dtype=dtype)
    result = F.equivariant_linear(x, weight, maps, bias)
    assert result.dtype == dtype
    # integers below 256: exact in bfloat16 too
    assert torch.equal(result, dense(x.double(), weight.double(), maps, bias.double()).to(dtype))


def test_linear_without_channels():
    maps = MAPS["Cl(2,0) whole"]
    assert F.equivariant_linear(torch.ones(3, 0, 4), torch.ones(2, 0, 1), maps).tolist() == [[[0.0] * 4] * 2] * 3
    assert F.equivariant_linear(torch.ones(3, 2, 4), torch.ones(0, 2, 1), maps).shape == (3, 0, 4)


def test_linear_keeps_special_values_in_their_grade():
    maps = MAPS["Cl(3,0) by grade"]
    x = torch.ones(1, 8)
    x[0, 2] = float("nan")
    result = F.equivariant_linear(x, torch.ones(1, 1, 4), maps)
    assert result[0].isnan().tolist() == [index == 2 for index in range(8)]


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS)
def test_runs_of_maps_equal_the_matrices(maps):
    rebuilt = torch.zeros_like(maps.matrices())
    starts = [run.start for run in maps.runs]
    for run in maps.runs:
        for index, source, value in run.sources:
            assert maps.runs[source].size == run.size
            for offset in range(run.size):
                rebuilt[index, run.start + offset, starts[source] + offset] += value
    assert torch.equal(rebuilt, maps.matrices())
    assert [blade for run in maps.runs for blade in range(run.start, run.start + run.size)] == list(
        range(maps.algebra.num_blades)
    )
