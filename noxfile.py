"""Everything that is checked, in one place: `nox` runs all of it, `nox -s lint` one part, `nox -l` lists them.

`.ci/run` runs the same sessions.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "imports", "tests", "lanes", "peers", "coverage", "docs", "build"]

PYTHONS = ("3.11", "3.12", "3.13")
LIBRARIES = ("httpx", "httpx2")
# Where code may stand. mypy and codespell refuse a folder that is not there.
SOURCES = [path for path in ("cloud66_async", "tests", "benchmarks", "docs", "noxfile.py") if Path(path).exists()]
PROSE = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml", ".ci"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, layout and spelling."""
    session.install("ruff>=0.17.6,<0.18", "codespell>=2.4")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell", *SOURCES, *PROSE)


@nox.session
def types(session: nox.Session) -> None:
    """Types, by two checkers; and that no public name lacks one."""
    # pyright runs on Node, and brings one along where the machine has none.
    session.install(
        "-e", ".[test,peers,lint,docs,bench]", "nox", *([] if shutil.which("node") else ["pyright[nodejs]"])
    )
    session.run("mypy", *SOURCES)
    session.run("pyright")
    session.run("pyright", "--verifytypes", "cloud66_async", "--ignoreexternal")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom."""
    session.install("-e", ".", "import-linter>=2.3")
    session.run("lint-imports")


@nox.session(python=PYTHONS)
@nox.parametrize("library", LIBRARIES)
def tests(session: nox.Session, library: str) -> None:
    """The tests, with httpx alone or with httpx2 beside it. On the oldest Python also the slow ones, and coverage."""
    session.install("-e", ".[test,httpx2]" if library == "httpx2" else ".[test]")
    session.run("python", "-c", f"from cloud66_async._http.library import httpx; assert httpx.__name__ == {library!r}")
    own = "--ignore=tests/providers"  # servers of others have a part of their own
    if session.python == PYTHONS[0]:
        _run_with_coverage(session, library, own, *session.posargs)
    else:
        session.run("python", "-m", "pytest", own, *(session.posargs or ("-m", "not slow")))


@nox.session
def lanes(session: nox.Session) -> None:
    """The tests that are not of the pool itself, with every client on the HTTP library's own pool instead."""
    session.install("-e", ".[test]")
    session.env["CLOUD66_POOL"] = "httpx"
    without = ("--ignore=tests/providers", "--ignore=tests/pool", "--ignore=tests/benchmarks")
    session.run("python", "-m", "pytest", *without, *(session.posargs or ("-m", "not slow")))


@nox.session
def peers(session: nox.Session) -> None:
    """Logins and the pool against servers of others: Django, Flask, Hypercorn; nginx, Rails, Node where they are."""
    session.install("-e", ".[test,peers,httpx2]")
    # Alone: its bound on greenlet, which it hardly uses, and Playwright's exclude each other.
    session.install("--no-deps", "httpbin>=0.10.4")
    node = Path("tests", "providers", "node")
    if shutil.which("npm") is not None:
        session.run("npm", "ci", "--silent", "--prefix", str(node), external=True)
    _run_with_coverage(session, "peers", "tests/providers", "tests/pool/test_real_servers.py", *session.posargs)


def _run_with_coverage(session: nox.Session, name: str, *arguments: str) -> None:
    session.env["COVERAGE_FILE"] = str(Path(f".coverage.{name}").resolve())
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *arguments)


@nox.session
def coverage(session: nox.Session) -> None:
    """What the tests on the oldest Python have run, all sessions together."""
    session.install("coverage[toml]>=7.10")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def quick(session: nox.Session) -> None:
    """What one wants to know while working: style, and the tests that are not slow, until one fails."""
    session.install("-e", ".[test]", "ruff>=0.17.6,<0.18")
    session.run("ruff", "check")
    session.run("python", "-m", "pytest", "-q", "-x", "-m", "not slow", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, with warnings as errors; their examples are run by the tests."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "-E", "docs", "docs/_build/html")


@nox.session
def build(session: nox.Session) -> None:
    """Source archive and wheel: what is in them, and that the wheel works where nothing else is."""
    session.install("build>=1.2")
    folder = Path(session.create_tmp()).resolve()
    for old in folder.glob("cloud66_async-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(folder))
    wheel = next(folder.glob("*.whl"))
    _check_wheel(session, wheel)
    _check_source(session, next(folder.glob("*.tar.gz")))
    _try_wheel(session, folder / "empty", wheel)


def _check_wheel(session: nox.Session, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    _require(session, wheel, names, "cloud66_async/__init__.py", "cloud66_async/py.typed", "licenses/LICENSE")
    strange = [name for name in names if not name.startswith(("cloud66_async/", "cloud66_async-"))]
    if strange:
        session.error(f"{wheel.name} holds more than the package: {strange}")


def _check_source(session: nox.Session, source: Path) -> None:
    with tarfile.open(source) as archive:
        names = archive.getnames()
    _require(session, source, names, "/pyproject.toml", "/README.md", "/LICENSE", "/CHANGELOG.md", "/noxfile.py")
    _require(session, source, names, "/cloud66_async/py.typed", "/tests/conftest.py", "/docs/conf.py")


def _require(session: nox.Session, archive: Path, names: list[str], *wanted: str) -> None:
    missing = [ending for ending in wanted if not any(name.endswith(ending) for name in names)]
    if missing:
        session.error(f"{archive.name} lacks {missing}")


def _try_wheel(session: nox.Session, empty: Path, wheel: Path) -> None:
    """The library without an extra, then the program with the extras that it asks for."""
    session.run("python", "-m", "venv", "--clear", str(empty))
    programs = empty / "bin"
    python = str(programs / "python")
    with session.chdir(empty):  # not where the sources are
        session.run(python, "-m", "pip", "install", "-q", str(wheel), external=True)
        session.run(python, "-W", "error", "-c", "import cloud66_async", external=True)
        session.run(python, "-m", "pip", "install", "-q", f"{wheel}[cli,sandbox]", external=True)
        session.run(str(programs / "cloud66-async"), "--help", external=True)
