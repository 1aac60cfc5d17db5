"""Files of the clifford package."""

import h5py
import numpy as np
import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import AlgebraMismatchError, DataError, LayoutError
from cliffnet.io import load_ga, save_ga
from helpers.multivectors import ALGEBRAS, name

PGA = Algebra(3, 0, 1)
SIGNED = Algebra.from_name("3DPGA")


@pytest.mark.parametrize("algebra", [algebra for algebra in ALGEBRAS if algebra.dim], ids=name)
def test_round_trip(tmp_path, algebra):
    path = tmp_path / "x.ga"
    x = algebra.randn(2, 3, dtype=torch.float64)
    save_ga(path, x)
    assert (load_ga(path, algebra) == x).all()
    for shape in ((), (0,)):
        save_ga(path, algebra.randn(*shape))
        assert load_ga(path, algebra).shape == shape
    if algebra._custom_basis is None:
        assert load_ga(path).algebra is algebra


def test_layouts_and_dtypes(tmp_path):
    path = tmp_path / "x.ga"
    x = PGA.randn(2, layout=PGA.even).to(torch.bfloat16).requires_grad_()
    save_ga(str(path), x, compress=False)
    loaded = load_ga(str(path))
    assert loaded.layout is PGA.full
    assert loaded.dtype == torch.float32
    assert (loaded == x.float()).all()
    with pytest.raises(LayoutError):
        save_ga(path, Algebra(20).randn(layout=Algebra(20).vectors))


def write(path, *, version="0.0.1", metric=None, names=("e1", "e2"), support=(), **options):
    """Write a file as clifford lays it out."""
    with h5py.File(path, "w") as file:
        file.attrs["version"] = version
        data = file.create_dataset("data", data=options.get("data", np.arange(8.0).reshape(2, 4)))
        data.attrs["transpose"] = options.get("transpose", False)
        data.attrs["sparse"] = options.get("sparse", False)
        if options.get("support_attribute"):
            data.attrs["support"] = support
        file.create_dataset("support", data=np.array(support, dtype=np.uint64))
        file.create_dataset("metric", data=np.eye(2) if metric is None else metric)
        file.create_dataset("basis_names", data=np.array(names, dtype=h5py.string_dtype()))


def test_transposed_and_sparse_data(tmp_path):
    path = tmp_path / "x.ga"
    write(path, data=np.arange(8).reshape(4, 2), transpose=True)
    x = load_ga(path)
    assert x.algebra is Algebra(2)
    assert x.tensor.tolist() == [[0.0, 2.0, 4.0, 6.0], [1.0, 3.0, 5.0, 7.0]]
    for attribute in (True, False):
        write(path, data=np.arange(4.0).reshape(2, 2), sparse=True, support=(3, 0), support_attribute=attribute)
        x = load_ga(path)
        assert x.layout.blade_names == ("1", "e12")
        assert x.e12.tolist() == [0.0, 2.0]
        assert x.e.tolist() == [1.0, 3.0]


def test_names_and_squares(tmp_path):
    path = tmp_path / "x.ga"
    write(path, names=("ex", "ey"), metric=np.diag([1.0, -1.0]))
    assert load_ga(path).algebra is Algebra(1, 1, names="xy")
    assert load_ga(path, Algebra(1, 1)).algebra is Algebra(1, 1)
    with pytest.raises(DataError, match="squares"):
        load_ga(path, Algebra(2))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"version": "0.0.2"}, "version"),
        ({"metric": np.eye(3)}, "3 names"),
        ({"metric": np.ones((2, 2))}, "not diagonal"),
        ({"metric": np.ones(2)}, "n by n"),
        ({"names": ("a", "b")}, "names"),
        ({"names": ("e1",)}, "names"),
        ({"names": ("e1", "e1")}, "names"),
        ({"data": np.ones((2, 3))}, "last axis of 4"),
        ({"data": np.ones((2, 2)), "sparse": True, "support": (0,)}, "last axis of 1"),
        ({"data": np.ones((2, 2)), "sparse": True, "support": (0, 4)}, "beyond the 4 blades"),
        ({"data": np.ones((2, 2)), "sparse": True, "support": (1, 1)}, "1 different"),
        ({"data": 1.0}, "axis of blades"),
        ({"data": np.ones((2, 4), dtype=complex)}, "real numbers"),
        ({"data": np.array([b"text"])}, "real numbers"),
    ],
)
def test_contradictions_are_refused(tmp_path, options, reason):
    path = tmp_path / "x.ga"
    write(path, **options)
    with pytest.raises(DataError, match=f"no .ga file that can be read: .*{reason}"):
        load_ga(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.ga"
    save_ga(path, PGA.randn(50))
    blob = path.read_bytes()
    for kept in (0, 3, len(blob) // 4, len(blob) // 2, len(blob) - 20):
        path.write_bytes(blob[:kept])
        with pytest.raises(DataError):
            load_ga(path)
    with h5py.File(path, "w") as file:
        file.attrs["version"] = "0.0.1"
    with pytest.raises(DataError, match="data"):
        load_ga(path)
    with pytest.raises(FileNotFoundError):
        load_ga(tmp_path / "missing.ga")


def test_bytes_that_change_never_read_as_other_numbers(tmp_path):
    path = tmp_path / "x.ga"
    x = PGA.randn(5)
    save_ga(path, x)
    blob = path.read_bytes()
    for place in range(7, len(blob), 61):
        damaged = bytearray(blob)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = load_ga(path)
        except DataError:
            continue
        assert (found == x).all()


def test_arguments_of_other_types_are_refused(tmp_path):
    with pytest.raises(TypeError, match="expected a Multivector"):
        save_ga(tmp_path / "x.ga", torch.ones(16))
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        load_ga(tmp_path / "x.ga", "Cl(3)")
