"""Families of golden files. To add one, write a module with ``run(golden) -> Case`` and name it in ``FAMILIES``."""

import importlib
from pathlib import Path

from families.golden import GoldenFile, MalformedFileError, UnsupportedError, load_golden
from families.report import Report, compare

# Start of the repository or library name in a file's meta -> module that rebuilds its cases.
FAMILIES = {
    "clifford (pygae)": "families.algebra",
    "kingdon": "families.algebra",
    "Qualcomm-AI-research/geometric-algebra-transformer": "families.gatr",
    "DavidRuhe/clifford-group-equivariant-neural-networks": "families.cgenn",
    "katyafilimoshina/glgenn": "families.cgenn",
    "vgsatorras/egnn": "families.cgenn",
}


def find_family(golden: GoldenFile):
    for source, module in FAMILIES.items():
        if golden.source.lower().startswith(source.lower()):
            return importlib.import_module(module)
    raise UnsupportedError(f"no family for {golden.source!r}")


def check_file(path: Path, dtype: str, device: str) -> Report:
    try:
        golden = load_golden(path, dtype, device)
        case = find_family(golden).run(golden)
        return Report(path.name, compare(golden, case))
    except MalformedFileError as error:
        return Report(path.name, [], failure=str(error))
    except UnsupportedError as error:
        return Report(path.name, [], unsupported=str(error))
    except Exception as error:  # one bad file must not hide the verdict on the others
        return Report(path.name, [], failure=f"{type(error).__name__}: {error}")
