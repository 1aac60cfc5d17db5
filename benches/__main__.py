"""``python -m benches [NAME ...] [--threads N] [--csv FILE]``: measure the figures and print one table."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benches import (
    cgenn_scaling,
    cgenn_steps,
    cuda_first_use,
    cuda_flash,
    cuda_formula,
    cuda_products,
    cuda_steps,
    exp_log_accuracy,
    first_product,
    fully_connected,
    gatr_step,
    import_time,
    inverse_residual,
    linear,
    matrix_route,
    norms,
    overhead,
    peers,
    product,
    steerable,
)
from benches.report import Machine, Row, append_csv, check_csv, print_report

SCRIPTS: dict[str, Callable[[], list[Row]]] = {
    module.NAME: module.rows
    for module in (
        product,
        steerable,
        fully_connected,
        matrix_route,
        norms,
        linear,
        overhead,
        import_time,
        first_product,
        inverse_residual,
        exp_log_accuracy,
        peers,
        cgenn_scaling,
        gatr_step,
        cgenn_steps,
        cuda_products,
        cuda_formula,
        cuda_flash,
        cuda_steps,
        cuda_first_use,
    )
}


def run(names: Sequence[str], csv_file: Path | None, scripts: dict[str, Callable[[], list[Row]]] = SCRIPTS) -> int:
    """Run scripts, print their table and append to the CSV; return how many scripts failed."""
    machine = Machine.here()
    rows: list[Row] = []
    failed = 0
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            found = scripts[name]()
        except Exception:
            # one script that breaks must not lose the others' figures
            failed += 1
            traceback.print_exc()
            found = [Row(name, "failed", "", note="failed; the error is printed above")]
        rows += found
        if csv_file is not None:
            append_csv(csv_file, found, machine)
    print_report(rows, machine)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a missed bar is printed, a script that fails makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benches", description="Measure the figures cliffnet states.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SCRIPTS)} (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="threads on all sides (default: 1)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="append the measured rows to this file")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(SCRIPTS)}")
    if options.threads < 1:
        parser.error(f"--threads is {options.threads}; give at least 1")
    if options.csv is not None:
        try:
            check_csv(options.csv)
        except ValueError as error:
            parser.error(str(error))
    torch.set_num_threads(options.threads)
    return 1 if run(options.names or list(SCRIPTS), options.csv) else 0


if __name__ == "__main__":
    sys.exit(main())
