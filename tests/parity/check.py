"""Compare cliffnet with numbers recorded from reference implementations.

    python tests/parity/check.py FILE.npz [FILE.npz ...]

Each file holds a config, parameters, inputs, outputs and gradients of one reference class. Our module is built from
the same config and parameters, and every recorded array is compared by max|ours - theirs| / (1 + max|theirs|).
Bars: float64 1e-9 for outputs and 1e-8 for gradients; float32 1e-4 and 1e-3. Files about a whole algebra hold inputs
and outputs in a basis that they name, with bars of their own (families/algebra_measures.py): products 1e-12 of the l1
norms, functions 1e-11, whole numbers exactly. The exit code is 0 only if every file passed.
With --backend cuda our side runs on the CUDA device.
"""

import argparse
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE.npz", type=Path)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="precision of our side")
    parser.add_argument("--backend", choices=("reference", "rust", "cuda"), help="backend to force")
    parser.add_argument("--verbose", action="store_true", help="report every array by name")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    if arguments.backend == "cuda" and not torch.cuda.is_available():
        print("no CUDA device")
        return 2
    if arguments.backend:
        # Read when cliffnet is imported, so before the families are.
        os.environ["CLIFFNET_BACKEND"] = arguments.backend

    from families import check_file

    counts = {"ok": 0, "FAIL": 0, "unsupported": 0}
    width = max(len(path.name) for path in arguments.files)
    device = "cuda" if arguments.backend == "cuda" else "cpu"
    for path in arguments.files:
        report = check_file(path, arguments.dtype, device)
        counts[report.verdict] += 1
        print(report.line(width), flush=True)
        if arguments.verbose:
            for comparison in report.comparisons:
                print(f"    {comparison}")
    print(f"{counts['ok']} ok, {counts['FAIL']} failed, {counts['unsupported']} unsupported")
    return 0 if counts["FAIL"] == counts["unsupported"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
