"""`python -m benchmarks [part ...] [--quick] [--json FILE] [--page FILE] [--plots FOLDER] [--from FILE] ...`.

`python -m benchmarks cluster [--quick] ...` measures calls over a Dask cluster, and needs the extra `dask`.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from . import cluster, page, plots, report, targets
from .harness import open_harness
from .parts import PARTS, Cell


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the cost of the SDK and of other clients."
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"parts to run (default: all): {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few requests and repetitions: for trying the program")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all results as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="file for the tables as Markdown")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="folder for the diagrams (needs matplotlib)")
    parser.add_argument(
        "--from", type=Path, metavar="FILE", dest="stored", help="JSON file to read instead of measuring"
    )
    parser.add_argument(
        "--httpx-python",
        metavar="PATH",
        help="interpreter with this package and cattrs but without httpx2, to measure Authlib on httpx",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    return arguments


def main() -> int:
    """Run the benchmarks. Return 0 whatever they measure: a benchmark is not a test."""
    if sys.argv[1:2] == ["cluster"]:  # it has options of its own
        return cluster.main(sys.argv[2:])
    arguments = _arguments()
    environment, cells, outcomes = _measured(arguments) if arguments.stored is None else report.read(arguments.stored)
    report.show(cells, outcomes)
    if arguments.page is not None:
        arguments.page.write_text(page.render(environment, cells, outcomes))
    if arguments.plots is not None:
        plots.draw(arguments.plots, cells)
    return 0


def _measured(arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, list[Cell]], list[targets.Outcome]]:
    environment = report.environment(*arguments.parts, *(["--quick"] if arguments.quick else []))
    cells: dict[str, list[Cell]] = {}
    outcomes: list[targets.Outcome] = []
    start = time.monotonic()
    with open_harness(arguments.httpx_python) as harness:
        for name in arguments.parts or PARTS:
            cells[name] = PARTS[name].measure(harness, arguments.quick, partial(_show_progress, name))
            environment["seconds"] = round(time.monotonic() - start)
            outcomes = targets.outcomes(cells)
            if arguments.json is not None:  # after each part: nothing is lost if a later one fails
                report.write(arguments.json, environment, cells, outcomes)
    _show_progress("", "done\n")
    return environment, cells, outcomes


def _show_progress(part: str, line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{part}  {line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
