"""Write the table of figures in the README from the newest recorded run: ``python -m benches.readme [--check]``."""

import csv
import sys
from pathlib import Path

from benches.report import ROOT

CSV = ROOT / "benches" / "results" / "figures.csv"
README = ROOT / "README.md"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- /benchmarks -->"


def newest_run(path: Path) -> list[dict[str, str]]:
    """Return the rows of the last run in a file of figures."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row["date"] == rows[-1]["date"]]


def table(rows: list[dict[str, str]]) -> str:
    """Return the rows as a Markdown table with a sentence on where they come from."""
    lines = ["| figure | ours | baseline | ratio | bar | met |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        unit = row["unit"]
        ours, theirs = float(row["ours_median"]), float(row["baseline_median"])
        baseline = f"{theirs:.3g} {unit} ({row['baseline']})"
        cells = (f"{row['name']}: {row['case']}", f"{ours:.3g} {unit}", baseline, f"{float(row['ratio']):.2g}x")
        lines.append("| " + " | ".join((*cells, row["bar"], row["met"])) + " |")
    run = rows[0]
    origin = (
        f"Medians of one run of `make bench`: {run['cpu']}, {run['isa']}, {run['threads']} thread, "
        f"torch {run['torch'].split('+')[0]}, {run['date'][:10]}; the ratio is baseline over ours. "
        "[benches/README.md](benches/README.md) defines each figure."
    )
    return "\n".join((*lines, "", origin)) + "\n"


def main() -> int:
    """Write the table, or tell whether it is up to date."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    written = before + BEGIN + table(newest_run(CSV)) + END + after
    if "--check" not in sys.argv[1:]:
        README.write_text(written)
    elif written != text:
        sys.stderr.write(
            f"the table of {README.name} is not that of {CSV.relative_to(ROOT)}; run `python -m benches.readme`\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
