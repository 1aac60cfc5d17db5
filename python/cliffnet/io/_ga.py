"""The ``.ga`` files of the clifford package: HDF5 with full multivectors of one algebra.

Version 0.0.1 holds the data sets ``data`` (batch axes, then 2^n coefficients; ``transpose`` and ``sparse`` as
attributes), ``metric`` (n by n), ``basis_names`` (of the generators) and ``support`` (the columns of sparse data).
Blades stand in grade-then-lexicographic order of ascending generators.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet._extras import require
from cliffnet._files import write_atomically
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import DataError
from cliffnet.functional._checks import check_algebra
from cliffnet.multivector import Multivector

_VERSION = "0.0.1"


def save_ga(path: str | Path, multivectors: Multivector, *, compress: bool = True) -> None:
    """Write multivectors to a ``.ga`` file.

    Parameters
    ----------
    path : str or Path
        File to write; it is replaced only when the new one is complete.
    multivectors : Multivector
        Of any batch shape; written with all blades.
    compress : bool
        Compress the data.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    TypeError
        If they are no multivectors.
    LayoutError
        If the algebra has too many blades to write them all.
    OSError
        If the file cannot be written.
    """
    h5py = require("h5py", "ga")
    if not isinstance(multivectors, Multivector):
        raise TypeError(f"expected a Multivector, got {type(multivectors).__name__}; a .ga file holds one batch")
    algebra = multivectors.algebra
    # the order and signs of the format, which are not those of algebras with a basis of their own
    dense = F.change_layout(multivectors.tensor.detach(), multivectors.layout, _ascending(algebra))
    if dense.dtype not in (torch.float32, torch.float64):
        dense = dense.float()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["version"] = _VERSION
        data = file.create_dataset("data", data=dense.cpu().numpy(), **({"compression": "gzip"} if compress else {}))
        data.attrs["transpose"] = False
        data.attrs["sparse"] = False
        file.create_dataset("support", shape=(0,), dtype="uint64")
        file.create_dataset("metric", data=torch.diag(torch.tensor(algebra.metric, dtype=torch.float64)).numpy())
        file.create_dataset("basis_names", data=list(algebra.generator_names), dtype=h5py.string_dtype())
    write_atomically(Path(path), buffer.getvalue())


def load_ga(path: str | Path, algebra: Algebra | None = None) -> Multivector:
    """Read a ``.ga`` file.

    Parameters
    ----------
    path : str or Path
        File to read.
    algebra : Algebra, optional
        The algebra to put the multivectors in, with generators of the squares that the file has, in the same order. If
        omitted, the algebra of the squares and names in the file.

    Returns
    -------
    Multivector
        On all blades, or on those of the support of a sparse file. Integers become the default dtype.

    Raises
    ------
    DataError
        If the file is no ``.ga`` file, of another version, truncated, or contradicts itself or the algebra.
    MissingDependencyError
        If h5py is not installed.
    FileNotFoundError
        If there is no such file.
    """
    h5py = require("h5py", "ga")
    if algebra is not None:
        check_algebra(algebra)
    path = Path(path)
    blob = path.read_bytes()
    try:
        with h5py.File(io.BytesIO(blob), "r") as file:
            version = file.attrs.get("version")
            if version != _VERSION:
                raise DataError(f"its version is {version!r}, expected {_VERSION!r}")
            data = file["data"]
            if data.dtype.kind not in "fiu" or not data.shape:
                raise DataError(
                    f"its data is {data.dtype} of shape {data.shape}, expected real numbers with an axis of blades"
                )
            values = torch.from_numpy(data[()])
            if data.attrs["transpose"]:
                values = values.permute(*reversed(range(values.dim())))
            support = _support(file) if data.attrs["sparse"] else None
            metric = torch.from_numpy(file["metric"][()])
            names = [str(name) for name in file["basis_names"].asstr()[()]]
        found = _algebra(metric, names) if algebra is None else _checked(algebra, metric)
        return _multivector(values, found, support)
    except Exception as error:
        raise DataError(f"{path} is no .ga file that can be read: {error}") from error


def _ascending(algebra: Algebra) -> Layout:
    """Return all blades in the order of the format, generators ascending."""
    own = algebra.full.blade_masks
    masks = sorted(own, key=lambda mask: (mask.bit_count(), [i for i in range(algebra.dim) if mask >> i & 1]))
    return Layout(algebra, masks, [1] * len(masks))


def _support(file: Any) -> list[int]:
    """Return the columns that sparse data holds; clifford looks for them among the attributes of the data."""
    found = file["data"].attrs["support"] if "support" in file["data"].attrs else file["support"][()]
    return [int(index) for index in found]


def _squares(metric: Tensor) -> list[float]:
    if metric.dim() != 2 or metric.shape[0] != metric.shape[1]:
        raise DataError(f"its metric has shape {tuple(metric.shape)}, expected n by n")
    if not torch.equal(metric, torch.diag(metric.diagonal())):
        raise DataError("its metric is not diagonal; expected generators that are orthogonal")
    return [float(square) for square in metric.diagonal()]


def _algebra(metric: Tensor, names: Sequence[str]) -> Algebra:
    squares = _squares(metric)
    if len(names) != len(squares) or not all(name.startswith("e") for name in names):
        raise DataError(f"its generators are called {', '.join(names)}, expected {len(squares)} names such as e1")
    return Algebra(metric=squares, names=[name[1:] for name in names])


def _checked(algebra: Algebra, metric: Tensor) -> Algebra:
    squares = _squares(metric)
    if squares != list(algebra.metric):
        raise DataError(f"its generators have squares {squares}, but those of {algebra} are {list(algebra.metric)}")
    return algebra


def _multivector(values: Tensor, algebra: Algebra, support: list[int] | None) -> Multivector:
    ascending = _ascending(algebra)
    columns = range(ascending.size) if support is None else support
    if not set(columns) <= set(range(ascending.size)):
        raise DataError(f"its support names columns beyond the {ascending.size} blades of {algebra}")
    if values.shape[-1] != len(columns):
        raise DataError(f"its data has shape {tuple(values.shape)}, expected a last axis of {len(columns)} blades")
    layout = Layout(algebra, [ascending.blade_masks[column] for column in columns], [1] * len(columns))
    own = algebra.full if support is None else algebra.layout_of_masks(layout.blade_masks)
    if not values.is_floating_point():
        values = values.to(torch.get_default_dtype())
    return Multivector(F.change_layout(values.contiguous(), layout, own), own)
