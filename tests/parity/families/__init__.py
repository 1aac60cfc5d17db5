"""Families of golden files. To add one, write a module with ``run(golden) -> Case`` and name it in ``FAMILIES``."""

import importlib
from pathlib import Path

from families.golden import GoldenFile, MalformedFileError, UnsupportedError, load_golden
from families.report import Report, compare

# Start of the repository name in a file's meta -> module that rebuilds its cases.
FAMILIES = {
    "Qualcomm-AI-research/geometric-algebra-transformer": "families.gatr",
}


def find_family(golden: GoldenFile):
    for repository, module in FAMILIES.items():
        if golden.meta["repo"].lower().startswith(repository.lower()):
            return importlib.import_module(module)
    raise UnsupportedError(f"no family for repo {golden.meta['repo']!r}")


def check_file(path: Path, dtype: str, device: str) -> Report:
    try:
        golden = load_golden(path, dtype, device)
        case = find_family(golden).run(golden)
        return Report(path.name, compare(golden, case), dtype)
    except MalformedFileError as error:
        return Report(path.name, [], dtype, failure=str(error))
    except UnsupportedError as error:
        return Report(path.name, [], dtype, unsupported=str(error))
    except Exception as error:  # one bad file must not hide the verdict on the others
        return Report(path.name, [], dtype, failure=f"{type(error).__name__}: {error}")
