"""Generate the type stub of the extension from its source; ``--check`` only compares."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUB = ROOT / "python" / "cliffnet" / "_rust.pyi"


def generate() -> str:
    """Return the stub that the source gives."""
    maturin = Path(sys.executable).with_name("maturin")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([maturin, "generate-stubs", "--quiet", "--out", folder], cwd=ROOT, check=True)
        (generated,) = Path(folder).rglob("*.pyi")
        return generated.read_text()


def main() -> int:
    """Write the stub, or tell whether it is up to date."""
    stub = generate()
    if "--check" not in sys.argv[1:]:
        STUB.write_text(stub)
    elif not STUB.exists() or STUB.read_text() != stub:
        sys.stderr.write(f"{STUB.relative_to(ROOT)} does not match the extension; run `make format`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
