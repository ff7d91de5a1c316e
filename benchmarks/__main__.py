"""`python -m benchmarks [part ...] [--quick] [--json FILE] [--page FILE] [--plot FILE] [--httpx-python PATH]`."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from . import page, report, targets
from .lab import open_lab
from .parts import PARTS, Cell


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the SDK costs, beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"which parts, by default all: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="less of everything: a look, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all numbers here")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the tables here as Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them here (needs matplotlib)")
    parser.add_argument(
        "--httpx-python",
        metavar="PATH",
        help="an interpreter with this package, cattrs and no httpx2, for Authlib on httpx",
    )
    asked = parser.parse_args()
    unknown = [name for name in asked.parts if name not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    return asked


def main() -> int:
    """0, whatever was measured: a benchmark is not a test."""
    asked = _arguments()
    about = report.machine(*asked.parts, *(["--quick"] if asked.quick else []))
    cells: dict[str, list[Cell]] = {}
    found: list[targets.Outcome] = []
    start = time.monotonic()
    with open_lab(asked.httpx_python) as lab:
        for name in asked.parts or PARTS:
            cells[name] = PARTS[name].measure(lab, asked.quick, partial(_progress, name))
            about["seconds"] = round(time.monotonic() - start)
            found = targets.outcomes(cells)
            if asked.json is not None:  # after each part: nothing is lost if a later one fails
                report.write(asked.json, about, cells, found)
    _progress("", "done\n")
    report.show(cells, found)
    if asked.page is not None:
        asked.page.write_text(page.written(about, cells, found))
    if asked.plot is not None:
        report.draw(asked.plot, cells)
    return 0


def _progress(part: str, line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{part}  {line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
