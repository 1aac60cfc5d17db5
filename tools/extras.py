"""Print the requirements of optional extras, one a line: ``python tools/extras.py test bench``."""

import sys
import tomllib
from pathlib import Path


def requirements(extras: list[str]) -> list[str]:
    """Return the requirements of the extras, with ``cliffnet[...]`` replaced by what that extra asks for."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    found: list[str] = []
    pending = list(extras)
    while pending:
        for requirement in project["optional-dependencies"][pending.pop(0)]:
            if requirement.startswith("cliffnet["):
                pending.extend(requirement.removeprefix("cliffnet[").removesuffix("]").split(","))
            elif requirement not in found:
                found.append(requirement)
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1:])) + "\n")
