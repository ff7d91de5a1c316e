"""The example of a service with its own tests: they pass, and they notice when the service is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .examples import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "testing_service"
TIMEOUT = 100


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of the example as its CI does, without any setting of this test run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUD66_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.slow
def test_example_passes_its_tests() -> None:
    result = run_tests(EXAMPLE)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^=+ 10 passed in ", result.stdout, re.MULTILINE), result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "failing"),
    [
        ("is not Health.HEALTHY", "is Health.FAILED", "test_stacks_with_problems_are_listed"),
        ("environment=environment", "", "test_problems_of_one_environment"),
        (', environment="production"', "", "test_deployment_runs_for_a_minute"),
        ('{"Retry-After": RETRY_AFTER}', "{}", "test_throttled"),
        ('"may_have_started": error.sent', '"may_have_started": False', "test_lost_response"),
    ],
)
def test_example_notices_a_mistake(tmp_path: Path, right: str, wrong: str, failing: str) -> None:
    folder = shutil.copytree(EXAMPLE, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "service.py").read_text(encoding="utf-8")
    assert text.count(right) == 1
    (folder / "service.py").write_text(text.replace(right, wrong), encoding="utf-8")
    result = run_tests(folder)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(rf"^FAILED \S+::{failing}\b", result.stdout, re.MULTILINE), result.stdout


def test_page_shows_the_files_of_the_example() -> None:
    page = (ROOT / "docs" / "how-to" / "testing.md").read_text(encoding="utf-8")
    tree = page.partition("testing_service/\n")[2].partition("```")[0]
    named = re.findall(r"[\w./-]+\.(?:py|yml|toml)\b", tree)
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sorted(Path(name).name for name in named) == sorted(path.name for path in files)


def test_ci_runs_the_tests_with_the_extra_that_has_their_tools() -> None:
    workflow = (EXAMPLE / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert re.findall(r"- run: (.+)", workflow) == ["pip install '.[test]'", "pytest"]
