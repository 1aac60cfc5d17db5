"""Write the tables of figures in the documents from the newest recorded ones: ``python -m benches.readme [--check]``.

The README has the figures that a newcomer asks for and that have a bar, ``benches/figures.md`` the others.
"""

import csv
import sys
from pathlib import Path

from benches.report import ROOT

CSV = ROOT / "benches" / "results" / "figures.csv"
README = ROOT / "README.md"
IN_README = (
    "product",
    "steerable",
    "linear",
    "fully-connected",
    "overhead",
    "import",
    "first-product",
    "gatr-step",
    "cgenn-steps",
)
BEGIN, END = "<!-- benchmarks -->\n", "<!-- /benchmarks -->"


def newest_figures(path: Path) -> list[dict[str, str]]:
    """Return the rows of the last run of each script in a file of figures."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    dates = {row["name"]: row["date"] for row in rows}
    return [row for row in rows if row["date"] == dates[row["name"]]]


def table(rows: list[dict[str, str]]) -> str:
    """Return the rows as a Markdown table with a sentence on where they come from."""
    lines = ["| figure | ours | baseline | ratio | bar | met |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        unit = row["unit"]
        ours = f"{float(row['ours_median']):.3g} {unit}"
        baseline = ratio = ""
        if row["baseline_median"]:
            baseline = f"{float(row['baseline_median']):.3g} {unit} ({row['baseline']})"
            ratio = f"{float(row['ratio']):.2g}x"
        cells = (f"{row['name']}: {row['case']}", ours, baseline, ratio)
        lines.append("| " + " | ".join((*cells, row["bar"], row["met"])) + " |")
    run = rows[-1]
    origin = (
        f"Medians of the newest run of each script of `make bench`: {run['cpu']}, {run['isa']}, {run['threads']} "
        f"thread, torch {run['torch'].split('+')[0]}, {run['date'][:10]}; the ratio is baseline over ours."
    )
    return "\n".join((*lines, "", origin)) + "\n"


def documents() -> dict[Path, list[dict[str, str]]]:
    """Return the rows that each document shows."""
    rows = newest_figures(CSV)
    first = [row for row in rows if row["name"] in IN_README and row["bar"]]
    return {README: first, ROOT / "benches" / "figures.md": [row for row in rows if row not in first]}


def main() -> int:
    """Write the tables, or tell whether they are up to date."""
    stale = 0
    for path, rows in documents().items():
        text = path.read_text()
        before, rest = text.split(BEGIN)
        written = before + BEGIN + table(rows) + END + rest.split(END)[1]
        if "--check" not in sys.argv[1:]:
            path.write_text(written)
        elif written != text:
            stale = 1
            sys.stderr.write(
                f"the table of {path.name} is not that of {CSV.relative_to(ROOT)}; run `python -m benches.readme`\n"
            )
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
