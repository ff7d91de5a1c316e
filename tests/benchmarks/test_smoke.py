"""The benchmarks run and report their results. No figure is checked: a benchmark is a measurement, not a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(tmp_path: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--quick", "--json", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(report.read_text())


def test_parts_run_and_are_reported(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    printed, report = run(tmp_path, "local", "stress", "--page", str(page))
    assert list(report["parts"]) == ["local", "stress"]
    assert report["machine"]["packages"]["httpx"]
    measured = {target["name"]: target for target in report["targets"] if target["measured"] is not None}
    assert measured["failed reads in a burst, pool of 20"]["met"] is True
    assert measured["decoding, per stack"]["bound"] == "at most 3 µs"
    assert "failed reads in a burst" in printed
    assert "| decoding | page" in page.read_text()


@pytest.mark.slow
def test_whole_jobs_run_and_are_reported(tmp_path: Path) -> None:
    printed, report = run(tmp_path, "jobs", "route", "waiting", "rollout")
    measured = {target["name"]: target for target in report["targets"] if target["measured"] is not None}
    assert "one stack found by its name among 600" in measured
    assert "requests to wait for 10 redeployments" in measured
    assert [cell["row"] for cell in report["parts"]["route"]["cells"]] == ["no call", "cloud66-async"]
    assert "Whole jobs, 600 stacks" in printed


def test_unknown_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "smal"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "unknown part 'smal'" in done.stderr
