"""`python -m benchmarks [part ...] [--quick] [--json FILE] [--page FILE] [--plot FILE] [--httpx-python PATH]`."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from . import page, report, targets
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
    parser.add_argument("--plot", type=Path, metavar="FILE", help="file for the diagrams (needs matplotlib)")
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
    arguments = _arguments()
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
    report.show(cells, outcomes)
    if arguments.page is not None:
        arguments.page.write_text(page.render(environment, cells, outcomes))
    if arguments.plot is not None:
        report.draw(arguments.plot, cells)
    return 0


def _show_progress(part: str, line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{part}  {line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
