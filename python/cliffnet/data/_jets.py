"""Jets of the top-tagging reference data set, as LorentzNet converted them (Gong et al. 2022, arXiv:2201.08187)."""

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cliffnet._extras import require
from cliffnet.errors import DataError, TaskError

JET_FILES = {"train": "train", "val": "val", "eval": "test"}
"""What the name of the file of each set contains."""

_SOURCE = (
    "the data are the top quark tagging reference data set (Kasieczka et al., https://zenodo.org/records/2603256), "
    "converted to HDF5 as in https://github.com/sdogsq/LorentzNet-release: files train.h5, val.h5 and test.h5, each "
    "with Pmu (jets, particles, 4) holding E, px, py, pz, padded with zeros, Nobj (jets,) and is_signal (jets,)"
)
_KEYS = {"Pmu": 3, "Nobj": 1, "is_signal": 1}  # needed arrays, and how many axes they have
_READ_AT_ONCE = 10_000
_BEAM = (math.sqrt(2.0), 0.0, 0.0, 1.0)  # mass 1


def load_jets(
    folder: Path | str | None,
    set_name: str,
    num_samples: int | None = None,
    *,
    beams: bool = False,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Read jets from the published files.

    Parameters
    ----------
    folder : Path, str or None
        Folder with ``train.h5``, ``val.h5`` and ``test.h5``; or one file, which then serves for the set asked for.
        None is refused with the message that says where the files come from.
    set_name : str
        ``"train"``, ``"val"`` or ``"eval"``.
    num_samples : int, optional
        At most so many jets, the first of the file; all by default.
    beams : bool
        Put two beams ``(sqrt(2), 0, 0, +-1)`` before the particles of each jet.
    dtype : torch.dtype
        Of the momenta.
    progress : callable, optional
        Called with the number of jets just read.

    Returns
    -------
    dict of str to Tensor
        ``momenta`` of shape ``(jets, slots, 4)``, zero beyond the particles of a jet; ``mask`` of shape
        ``(jets, slots)``, true for particles and beams; ``beam`` of the same shape, true for beams; ``target`` of shape
        ``(jets,)``, int64: 1 for a top quark. There are as many slots as the longest jet needs.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If the file is missing, unreadable, malformed or empty; the message says what was expected and where it
        comes from.
    MissingDependencyError
        If h5py is not installed.
    """
    if set_name not in JET_FILES:
        raise TaskError(f"there is no set of jets called {set_name!r}; there are {', '.join(JET_FILES)}")
    if folder is None:
        raise DataError(f"jets are not generated: say where they are (on the command line with --data); {_SOURCE}")
    path = _find_file(Path(folder), set_name)
    with _opened(path) as arrays:
        total = arrays["Pmu"].shape[0] if num_samples is None else min(num_samples, arrays["Pmu"].shape[0])
        if total < 1:
            raise _malformed(path, f"{total} jets to read")
        slots = _longest(arrays["Nobj"][:total], arrays["Pmu"].shape[1], path)
        parts = []
        for start in range(0, total, _READ_AT_ONCE):
            block = arrays["Pmu"][start : min(start + _READ_AT_ONCE, total), :slots]
            parts.append(torch.from_numpy(block).to(dtype))
            if progress is not None:
                progress(len(block))
        signal = torch.from_numpy(arrays["is_signal"][:total].astype("int64"))
    momenta = torch.cat(parts)
    if not momenta.isfinite().all():
        raise _malformed(path, "momenta that are not finite")
    if ((signal != 0) & (signal != 1)).any():
        raise _malformed(path, f"is_signal with values from {signal.min()} to {signal.max()} instead of 0 and 1")
    mask = momenta[..., 0] != 0
    beam = torch.zeros_like(mask)
    if beams:
        momenta, mask, beam = _prepend_beams(momenta, mask)
    return {"momenta": momenta, "mask": mask, "beam": beam, "target": signal}


def _prepend_beams(momenta: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return momenta, mask and marks of beams, with two beams before the particles of each jet."""
    forward = momenta.new_tensor(_BEAM)
    pair = torch.stack([forward, forward * forward.new_tensor([1.0, 1.0, 1.0, -1.0])])
    there = mask.new_ones(len(mask), 2)
    beam = torch.cat([there, torch.zeros_like(mask)], dim=1)
    return torch.cat([pair.expand(len(momenta), 2, 4), momenta], dim=1), torch.cat([there, mask], dim=1), beam


def _find_file(folder: Path, set_name: str) -> Path:
    """Return the file of a set."""
    if folder.is_file():
        return folder
    if not folder.exists():
        raise DataError(f"there is nothing at {folder}; {_SOURCE}")
    found = sorted(path for path in folder.glob("*.h5") if JET_FILES[set_name] in path.stem)
    if not found:
        others = ", ".join(sorted(path.name for path in folder.glob("*.h5"))) or "no HDF5 file at all"
        raise DataError(f"{folder} has no file {JET_FILES[set_name]}.h5, but {others}; {_SOURCE}")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder} has several files for {JET_FILES[set_name]!r}: {names}; leave one of them")
    return found[0]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file whose arrays have been checked."""
    h5py = require("h5py", "data")
    try:
        with h5py.File(path, "r") as file:
            _check_arrays(file, path)
            yield file
    except OSError as error:  # not HDF5, truncated, or unreadable
        raise DataError(f"{path} cannot be read as HDF5 ({error}); {_SOURCE}") from error


def _check_arrays(file: Any, path: Path) -> None:
    for key, axes in _KEYS.items():
        if key not in file:
            raise _malformed(path, f"no array {key} (it has {', '.join(file) or 'none'})")
        if getattr(file[key], "ndim", None) != axes:
            raise _malformed(path, f"{key} of shape {getattr(file[key], 'shape', 'unknown')}")
    lengths = {file[key].shape[0] for key in _KEYS}
    if len(lengths) > 1:
        raise _malformed(path, f"arrays of different lengths {sorted(lengths)}")
    if file["Pmu"].shape[2] != 4:
        raise _malformed(path, f"Pmu of shape {file['Pmu'].shape}")


def _longest(counts: Any, available: int, path: Path) -> int:
    """Return the number of particles of the longest jet."""
    longest = int(counts.max())
    if int(counts.min()) < 0 or longest > available or longest < 1:
        raise _malformed(path, f"Nobj between {counts.min()} and {counts.max()}, with room for {available} particles")
    return longest


def _malformed(path: Path, what: str) -> DataError:
    return DataError(f"{path} has {what}; {_SOURCE}")
