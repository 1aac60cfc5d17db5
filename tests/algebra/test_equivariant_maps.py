"""The linear maps that commute with a group, against written-out lists, recorded tables and random group elements."""

import pickle

import pytest
import torch

from cliffnet import Algebra, Partition, errors
from cliffnet import functional as F
from cliffnet.testing import group_elements
from helpers.golden import golden
from helpers.multivectors import SIGNED_BASIS

GROUPED = [
    (Algebra(2), "pin", 3),
    (Algebra(2), "spin", 6),
    (Algebra(3), "pin", 4),
    (Algebra(3), "spin", 8),
    (Algebra(1, 3), "pin", 5),
    (Algebra(1, 3), "spin", 10),
    (Algebra(3, 0, 1), "pin", 9),
    (Algebra(2, 0, 1), "pin", 7),
    (Algebra(4, 1), "pin", 6),
    (Algebra(4, 1), "spin", 12),
]
CASES = [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in GROUPED]


def named(maps):
    """Entries as ``{(out name, in name): coefficient}`` per map."""
    names = maps.algebra.blade_names
    return [{(names[out], names[source]): value for out, source, value in entries} for entries in maps]


def span_projector(matrices):
    basis = torch.linalg.qr(torch.as_tensor(matrices, dtype=torch.float64).flatten(1).T).Q
    return basis @ basis.T


def assert_same_span(maps, matrices):
    assert len(maps) == len(matrices)
    difference = span_projector(maps.matrices(torch.float64)) - span_projector(matrices)
    assert difference.abs().max() < 1e-6  # one reference normalises in single precision


@pytest.mark.parametrize(("algebra", "group", "count"), CASES)
def test_number_of_maps_and_order(algebra, group, count):
    maps = algebra.equivariant_maps(group)
    assert len(maps) == count
    assert tuple(maps)[: algebra.dim + 1] == tuple(Partition.by_grade(algebra).projections())
    rest = [min(source for _, source, _ in entries) for entries in maps[:][algebra.dim + 1 :]]
    assert rest == sorted(rest)
    places = [(out, source) for entries in maps for out, source, _ in entries]
    assert len(places) == len(set(places)), "supports must be disjoint"
    assert {abs(value) for entries in maps for _, _, value in entries} == {1.0}
    assert torch.linalg.matrix_rank(maps.matrices(torch.float64).flatten(1)) == count


@pytest.mark.parametrize(("algebra", "group", "count"), CASES)
def test_maps_commute_with_random_group_elements(algebra, group, count):
    generator = torch.Generator().manual_seed(0)
    matrices = algebra.equivariant_maps(group).matrices(torch.float64)
    x = torch.randn(algebra.num_blades, dtype=torch.float64, generator=generator)
    for element in group_elements(algebra, group):
        moved, expected = matrices @ element.apply(x), element.apply(matrices @ x)
        torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-9 * float(1 + expected.abs().max()))


@pytest.mark.parametrize(
    ("algebra", "group"), [(Algebra(2), "spin"), (Algebra(3), "spin"), (Algebra(1, 3), "spin")], ids=str
)
def test_maps_of_spin_alone_break_under_reflections(algebra, group):
    generator = torch.Generator().manual_seed(1)
    mirror = group_elements(algebra, "pin")[1].versor
    x = torch.randn(algebra.num_blades, dtype=torch.float64, generator=generator)
    matrices = algebra.equivariant_maps(group).matrices(torch.float64)
    moved, expected = matrices @ F.sandwich(mirror, x, algebra), F.sandwich(mirror, matrices @ x, algebra)
    broken = (moved - expected).abs().amax(-1) > 1e-6
    assert broken.sum() == len(matrices) - algebra.dim - 1


@pytest.mark.parametrize("signature", [(3, 0, 1), (2, 0, 1)], ids=str)
def test_maps_commute_with_translations(signature):
    algebra = Algebra(*signature)
    generator = torch.Generator().manual_seed(2)
    matrices = algebra.equivariant_maps("pin").matrices(torch.float64)
    translator = torch.zeros(algebra.num_blades, dtype=torch.float64)
    translator[0] = 1.0
    null = [i for i, name in enumerate(algebra.blade_names) if algebra.grades[i] == 2 and name.startswith("e0")]
    translator[null] = torch.randn(len(null), dtype=torch.float64, generator=generator)
    x = torch.randn(algebra.num_blades, dtype=torch.float64, generator=generator)
    expected = F.sandwich(translator, matrices @ x, algebra)
    torch.testing.assert_close(matrices @ F.sandwich(translator, x, algebra), expected, rtol=1e-12, atol=1e-12)
    assert (F.sandwich(translator, x, algebra) - x).abs().max() > 0.1


def test_gatr_maps_written_out():
    maps = named(Algebra(3, 0, 1).equivariant_maps("pin"))
    assert maps[5:] == [
        {("e0", "1"): 1.0},
        {("e01", "e1"): 1.0, ("e02", "e2"): 1.0, ("e03", "e3"): 1.0},
        {("e012", "e12"): 1.0, ("e013", "e13"): 1.0, ("e023", "e23"): 1.0},
        {("e0123", "e123"): 1.0},
    ]


def test_plane_maps_written_out():
    maps = named(Algebra(2, 0, 1).equivariant_maps("pin"))
    assert maps[4:] == [
        {("e0", "1"): 1.0},
        {("e01", "e1"): 1.0, ("e02", "e2"): 1.0},
        {("e012", "e12"): 1.0},
    ]


def test_lorentz_maps_written_out():
    algebra = Algebra(1, 3)
    assert algebra.equivariant_maps("pin") == Partition.by_grade(algebra).projections()
    maps = algebra.equivariant_maps("spin")
    # right multiplication by the pseudoscalar, each map up to its sign
    expected = [
        {(15, 0): 1},
        {(11, 4): 1, (12, 3): -1, (13, 2): 1, (14, 1): 1},
        {(5, 10): -1, (6, 9): 1, (7, 8): -1, (8, 7): 1, (9, 6): -1, (10, 5): 1},
        {(1, 14): -1, (2, 13): -1, (3, 12): 1, (4, 11): -1},
        {(0, 15): -1},
    ]
    identity = torch.eye(16, dtype=torch.float64)
    dual = F.unpolarity(identity, algebra)
    for entries, written in zip(maps[:][5:], expected, strict=True):
        values = {(out, source): value for out, source, value in entries}
        sign = values[next(iter(written))] * next(iter(written.values()))
        assert {place: sign * value for place, value in values.items()} == written
        assert all(dual[source, out] == value for (out, source), value in written.items())


def test_gatr_table_is_spanned():
    assert_same_span(Algebra(3, 0, 1).equivariant_maps("pin"), golden("gatr/primitives")["out/table_linear_basis"])


def test_gatr_table_has_our_order():
    table = torch.as_tensor(golden("gatr/primitives")["out/table_linear_basis"])
    ours = Algebra(3, 0, 1).equivariant_maps("pin").matrices(table.dtype)
    ours = ours / ours.flatten(1).norm(dim=1)[:, None, None]
    torch.testing.assert_close(ours, table, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("group", "count"), [("pin", 5), ("spin", 10)])
def test_lorentz_tables_are_spanned(group, count):
    table = golden("lgatr/primitives")[f"out/table_linear_basis_{count}"]
    assert_same_span(Algebra(1, 3).equivariant_maps(group), table)


@pytest.mark.parametrize("group", ["pin", "spin"])
def test_maps_do_not_depend_on_the_basis(group):
    default, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    change = torch.zeros(16, 16, dtype=torch.float64)  # from the default to the signed basis
    for row, name in enumerate(SIGNED_BASIS):
        column, sign = default.index(name)
        change[row, column] = sign
    moved = change @ default.equivariant_maps(group).matrices(torch.float64) @ change.T
    assert_same_span(signed.equivariant_maps(group), moved)


@pytest.mark.parametrize("metric", [(2.0, -3.0, 0.5), (4.0, 1.0), (0.0, 3.0, 1.0)], ids=str)
def test_maps_of_any_metric_commute(metric):
    algebra = Algebra(metric=metric)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(algebra.num_blades, dtype=torch.float64, generator=generator)
    for group in ("pin", "spin"):
        matrices = algebra.equivariant_maps(group).matrices(torch.float64)
        for element in group_elements(algebra, group):
            expected = element.apply(matrices @ x)
            torch.testing.assert_close(matrices @ element.apply(x), expected, rtol=1e-9, atol=1e-9)


def test_maps_are_values():
    maps = Algebra(3, 0, 1).equivariant_maps("pin")
    assert maps == Algebra(3, 0, 1).equivariant_maps()
    assert maps != Algebra(3, 0, 1).equivariant_maps("spin")
    assert hash(maps) == hash(Algebra(3, 0, 1).equivariant_maps("pin"))
    assert pickle.loads(pickle.dumps(maps)) == maps
    assert repr(maps) == "LinearMaps(Cl(3,0,1), 9 maps)"
    assert maps.matrices().dtype == torch.get_default_dtype()
    assert maps.matrices(device="meta").device.type == "meta"


def test_unknown_groups_are_refused():
    with pytest.raises(errors.ConfigError, match="the group is 'O', expected 'pin' or 'spin'"):
        Algebra(3).equivariant_maps("O")
