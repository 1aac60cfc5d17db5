"""Reading golden files."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GROUPS = ("param", "in", "out", "cot", "grad_in", "grad_param")


class MalformedFileError(Exception):
    """The file cannot be read, or is not a golden file."""


class UnsupportedError(Exception):
    """The file is about something cliffnet does not have (yet)."""


@dataclass
class GoldenFile:
    """Arrays of a golden file by group. Ours-to-be (param, in) are tensors to compute with, theirs are arrays."""

    meta: dict[str, Any]
    dtype: torch.dtype
    device: str
    groups: dict[str, dict[str, np.ndarray]]
    params: dict[str, Tensor]
    inputs: dict[str, Tensor]

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return self.meta.get("library") or self.meta["repo"]

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.meta.get("config") or {})

    def tensor(self, array: np.ndarray) -> Tensor:
        value = torch.from_numpy(np.array(array)).to(self.device)
        return value.to(self.dtype) if value.is_floating_point() else value


@dataclass
class Measure:
    """An error and the bar it must not exceed, for outputs that the default comparison does not fit."""

    error: float
    bar: float


@dataclass
class Case:
    """Our side of a golden file: outputs by name, differentiable in the file's inputs and parameters."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    # of outputs and gradients in double precision, where they are to be tighter than usual
    bars: tuple[float, float] | None = None


def load_golden(path: Path, dtype: str, device: str) -> GoldenFile:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise MalformedFileError("no such file") from error
    except Exception as error:  # numpy and zipfile raise many kinds for damaged archives
        raise MalformedFileError(f"not a readable npz file ({type(error).__name__}: {error})") from error
    meta = _read_meta(arrays.pop("meta", None))
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups or not rest:
            raise MalformedFileError(f"array {name!r} belongs to none of the groups {', '.join(GROUPS)}")
        groups[group][rest] = array
    if not groups["out"]:
        raise MalformedFileError("there are no out/ arrays")
    _check_gradients(groups)
    golden = GoldenFile(meta, getattr(torch, dtype), device, groups, {}, {})
    for store, group, wanted in ((golden.params, "param", "grad_param"), (golden.inputs, "in", "grad_in")):
        for name, array in groups[group].items():
            store[name] = golden.tensor(array).requires_grad_(name in groups[wanted])
    return golden


def _read_meta(array: np.ndarray | None) -> dict[str, Any]:
    if array is None:
        raise MalformedFileError("there is no meta entry")
    try:
        meta = json.loads(str(array))
    except json.JSONDecodeError as error:
        raise MalformedFileError(f"meta is not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise MalformedFileError("meta is not a JSON object")
    # Numbers of a class name its repository; numbers of an algebra name the library they were computed with.
    keys = ("library",) if "library" in meta else ("repo", "class")
    missing = [key for key in keys if not isinstance(meta.get(key), str)]
    if missing:
        raise MalformedFileError(f"meta lacks {', '.join(missing)}")
    return meta


def _check_gradients(groups: dict[str, dict[str, np.ndarray]]) -> None:
    for gradient, group in (("grad_in", "in"), ("grad_param", "param"), ("cot", "out")):
        for name, array in groups[gradient].items():
            partner = groups[group].get(name)
            if partner is None:
                raise MalformedFileError(f"{gradient}/{name} has no {group}/{name}")
            if partner.shape != array.shape:
                raise MalformedFileError(f"{gradient}/{name} is {array.shape}, but {group}/{name} is {partner.shape}")
            if not np.issubdtype(partner.dtype, np.floating):
                raise MalformedFileError(f"{gradient}/{name} exists, but {group}/{name} is {partner.dtype}")
    if (groups["grad_in"] or groups["grad_param"]) and not groups["cot"]:
        raise MalformedFileError("there are gradients but no cot/ arrays")
