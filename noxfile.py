"""Checks of the project: `nox` runs all of them, `nox -s lint` runs one, `nox -l` lists them.

`.ci/run` runs the same sessions.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|venv"  # uv installs in seconds
nox.options.download_python = "never"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "layout", "imports", "types"]
nox.options.sessions += ["tests", "lowest", "transports", "providers", "processes"]
nox.options.sessions += ["coverage", "docs", "breaking", "build"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
LIBRARIES = ("httpx", "httpx2")
# Folders with code. mypy and codespell reject a folder that does not exist.
SOURCES = [path for path in ("cloud66_async", "tests", "benchmarks", "docs", "noxfile.py") if Path(path).exists()]
PROSE = [
    "README.md",
    "pyproject.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "hatch_build.py",
    ".ci",
    ".github",
]

# Every test runs, with coverage, on the oldest Python with httpx.
COMPLETE = {("3.11", "httpx")}
# On the other combinations: what uses the HTTP library, and what differs most between versions of Python.
# Parsing, decoding, the resources and the tools are pure Python code that the complete runs cover.
CONNECTED = (
    "tests/faults/test_adversity.py",
    "tests/faults/test_cancellation.py",
    "tests/faults/test_downloads.py",
    "tests/faults/test_download_connections.py",
    "tests/faults/test_event_loops.py",
    "tests/faults/test_unusual_responses.py",
    "tests/oauth",
    "tests/sandbox/test_client.py",
    "tests/sandbox/test_server.py",
    "tests/sandbox/test_serving.py",
    "tests/unit/test_client.py",
    "tests/unit/test_planted_secrets.py",
    "tests/unit/test_proxies.py",
    "tests/unit/test_requests.py",
    "tests/unit/test_streaming.py",
    "tests/unit/test_transports.py",
    "tests/web",
)
COMMANDS = ("tests/cli/test_commands.py", "tests/cli/test_login.py")
PARTIAL = (
    *CONNECTED,
    "tests/pool/test_adapter.py",
    "tests/pool/test_connector.py",
    "tests/pool/test_pool_transport.py",
    "tests/resources/test_actions.py",
    "tests/resources/test_following.py",
    "tests/resources/test_backup_files.py",
    "tests/resources/test_stacks.py",
    "tests/sandbox/test_autojump.py",
    "tests/sandbox/test_clock.py",
    "tests/testing/test_mocks.py",
    "tests/unit/test_bulk.py",
    "tests/unit/test_deadline.py",
    "tests/unit/test_enums.py",
    "tests/unit/test_leaving_each.py",
    "tests/unit/test_limiter.py",
    "tests/unit/test_model.py",
    "tests/unit/test_models.py",
    "tests/unit/test_openapi.py",
    "tests/unit/test_pager.py",
    "tests/unit/test_prefetch.py",
    "tests/unit/test_reading_ahead.py",
    "tests/unit/test_timestamps.py",
)
# On the newest Python with httpx2, in addition, what is closest to the interpreter.
NEWEST = {("3.13", "httpx2"): ("tests/pool",)}
# Where both the version and the library are covered by other combinations, only a sample.
COVERED = {("3.12", "httpx"), ("3.12", "httpx2"), ("3.13", "httpx")}
SAMPLE = (
    "tests/faults/test_cancellation.py",
    "tests/oauth/test_client.py",
    "tests/oauth/test_login.py",
    "tests/oauth/test_loopback.py",
    "tests/oauth/test_pasted_code.py",
    "tests/pool/test_adapter.py",
    "tests/pool/test_pool_transport.py",
    "tests/sandbox/test_clock.py",
    "tests/unit/test_bulk.py",
    "tests/unit/test_client.py",
    "tests/unit/test_deadline.py",
    "tests/unit/test_limiter.py",
    "tests/unit/test_model.py",
    "tests/unit/test_pager.py",
    "tests/unit/test_reading_ahead.py",
    "tests/unit/test_streaming.py",
    "tests/unit/test_transports.py",
    "tests/web/test_app.py",
    "tests/web/test_callback.py",
)
# With the lowest versions: what calls the dependencies most directly.
LOWEST = (
    *COMMANDS,
    "tests/cli/test_prompts.py",
    "tests/cli/test_tables.py",
    "tests/oauth",
    "tests/pool/test_adapter.py",
    "tests/pool/test_parser.py",
    "tests/sandbox/test_server.py",
    "tests/testing",
    "tests/unit/test_codec.py",
    "tests/unit/test_codec_pagination.py",
    "tests/unit/test_enums.py",
    "tests/unit/test_model.py",
    "tests/unit/test_models.py",
    "tests/unit/test_openapi.py",
    "tests/unit/test_otel.py",
    "tests/unit/test_timestamps.py",
    "tests/unit/test_token.py",
    "tests/unit/test_wire.py",
    "tests/web",
)
# One worker per core. Skipped tests are listed with their reasons.
PYTEST = ("-m", "pytest", "-q", "-n", "auto", "-rfEs")
FAST = ("-m", "not slow")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    session.install("ruff>=0.17.6,<0.18", "codespell>=2.4")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell", *SOURCES, *PROSE)


@nox.session
def layout(session: nox.Session) -> None:
    """Check the house rules of CONTRIBUTING.md."""
    session.run("python", "-m", "tests.layout")


@nox.session
def imports(session: nox.Session) -> None:
    """Check which module imports which."""
    session.install("-e", ".", "import-linter>=2.3")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, and that every public name has a type."""
    # pyright runs on Node.js. Its extra installs Node.js if the machine has none.
    session.install(
        "-e",
        ".[test,providers,lint,docs,bench,redis,postgres,dask]",
        "nox",
        *([] if shutil.which("node") else ["pyright[nodejs]"]),
    )
    session.run("mypy", *SOURCES)
    session.run("pyright")
    session.run("pyright", "--verifytypes", "cloud66_async", "--ignoreexternal")
    # pyproject.toml names the oldest version. What both ends have, the versions between them have, too.
    session.run("pyright", "--pythonversion", PYTHONS[-1], "cloud66_async")


@nox.session(python=PYTHONS, tags=["tests"])
@nox.parametrize("library", LIBRARIES)
def tests(session: nox.Session, library: str) -> None:
    """Run the tests, with httpx alone or with httpx2 installed as well."""
    session.install("-e", ".[test,httpx2]" if library == "httpx2" else ".[test]")
    session.run("python", "-c", f"from cloud66_async._http.library import httpx; assert httpx.__name__ == {library!r}")
    if (session.python, library) in COMPLETE:
        # The sessions `providers` and `processes` run the tests with third-party servers.
        others = ("--ignore=tests/providers", "--ignore=tests/processes")
        _run_with_coverage(session, f"{session.python}-{library}", *others, *session.posargs)
    else:
        partial = SAMPLE if (session.python, library) in COVERED else PARTIAL
        chosen = dict.fromkeys((*partial, *NEWEST.get((str(session.python), library), ())))
        wide = [path for path in chosen if not any(path.startswith(f"{other}/") for other in chosen)]
        session.run("python", *PYTEST, *FAST, *(session.posargs or wide))


@nox.session(python=PYTHONS[0], tags=["tests"])
@nox.parametrize("library", LIBRARIES)
def lowest(session: nox.Session, library: str) -> None:
    """Run the tests with the lowest versions of the dependencies that pyproject.toml allows."""
    session.install("uv>=0.8")
    package = ".[test,httpx2]" if library == "httpx2" else ".[test]"
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", package)
    session.run("python", *PYTEST, *FAST, *(session.posargs or LOWEST))


@nox.session(tags=["tests"])
def transports(session: nox.Session) -> None:
    """Run the tests with every client on the HTTP library's connection pool."""
    session.install("-e", ".[test]")
    session.env["CLOUD66_POOL"] = "httpx"
    session.run("python", *PYTEST, *FAST, *(session.posargs or (*CONNECTED, *COMMANDS)))


@nox.session(tags=["tests"])
def providers(session: nox.Session) -> None:
    """Run the tests with third-party servers: Django, Flask, Hypercorn, and nginx, Rails, Node.js if installed."""
    session.install("-e", ".[test,providers,httpx2]")
    # Without dependencies: its bound on greenlet, which it hardly uses, conflicts with Playwright's.
    session.install("--no-deps", "httpbin>=0.10.4")
    node = Path("tests", "providers", "node")
    if shutil.which("npm") is not None:
        session.run("npm", "ci", "--silent", "--prefix", str(node), external=True)
    _run_with_coverage(
        session,
        "providers",
        "tests/providers",
        "tests/pool/test_real_servers.py",
        "tests/docs/test_programs.py",
        *session.posargs,
    )


@nox.session(tags=["tests"])
def processes(session: nox.Session) -> None:
    """Run the tests with Redis, PostgreSQL and Dask, which must be installed."""
    session.install("-e", ".[test,httpx2,redis,postgres,dask]")
    session.env["CLOUD66_TESTS_REQUIRE_SERVERS"] = "1"
    _run_with_coverage(session, "processes", "tests/processes", "tests/docs/test_examples.py", *session.posargs)


def _run_with_coverage(session: nox.Session, name: str, *arguments: str) -> None:
    session.env["COVERAGE_FILE"] = str(Path(f".coverage.{name}").resolve())
    session.run("coverage", "erase")
    session.run("coverage", "run", *PYTEST, *arguments)


@nox.session
def coverage(session: nox.Session) -> None:
    """Report the combined coverage of the complete test runs, of the providers and of the processes."""
    session.install("coverage[toml]>=7.10")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def quick(session: nox.Session) -> None:
    """Check style and layout, and run the fast tests until one fails. For use while you work."""
    session.install("-e", ".[test]", "ruff>=0.17.6,<0.18")
    session.run("ruff", "check")
    session.run("python", "-m", "tests.layout")
    session.run("python", *PYTEST, *FAST, "-x", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation with warnings as errors. The tests run its examples."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "-E", "docs", "docs/_build/html")


@nox.session
def breaking(session: nox.Session) -> None:
    """List what has changed in the public interface since the latest tag and breaks programs.

    `nox -s breaking -- REF` compares with another version.
    """
    latest = session.run("git", "describe", "--tags", "--abbrev=0", external=True, silent=True, success_codes=[0, 128])
    against = session.posargs[0] if session.posargs else str(latest).strip()
    if not session.posargs and against.startswith("fatal"):
        session.skip("there is no tag to compare with")
    session.install("griffe>=2")
    session.run("griffe", "check", "cloud66_async", "--against", against)


@nox.session
def build(session: nox.Session) -> None:
    """Build the source archive and the wheel, check their contents, and run the demo in an empty environment.

    `nox -s build -- FOLDER` keeps them.
    """
    session.install("build>=1.2", "cyclonedx-python-lib[json-validation]>=11.12")
    folder = Path(*session.posargs or [session.create_tmp()]).resolve()
    for old in folder.glob("cloud66_async-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(folder))
    wheel = next(folder.glob("*.whl"))
    _check_wheel(session, wheel)
    _check_source(session, next(folder.glob("*.tar.gz")))
    _try_wheel(session, folder / "empty", wheel)


_VALIDATE_BILL = """
import sys, zipfile
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode()
sys.exit(JsonStrictValidator(SchemaVersion.V1_7).validate_str(text))
"""


def _check_wheel(session: nox.Session, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    # `models.pyi` is read at run time, too.
    _require(session, wheel, names, "cloud66_async/__init__.py", "cloud66_async/models.pyi", "cloud66_async/py.typed")
    _require(session, wheel, names, "licenses/LICENSE")
    bill = next((name for name in names if name.endswith(".dist-info/sboms/cloud66_async.cdx.json")), "")
    _require(session, wheel, names, "/sboms/cloud66_async.cdx.json")
    session.run("python", "-c", _VALIDATE_BILL, str(wheel), bill)
    unexpected = [name for name in names if not name.startswith(("cloud66_async/", "cloud66_async-"))]
    if unexpected:
        session.error(f"unexpected files in {wheel.name}: {unexpected}")


def _check_source(session: nox.Session, source: Path) -> None:
    with tarfile.open(source) as archive:
        names = archive.getnames()
    _require(session, source, names, "/pyproject.toml", "/README.md", "/LICENSE", "/CHANGELOG.md", "/noxfile.py")
    _require(session, source, names, "/cloud66_async/models.pyi", "/cloud66_async/py.typed")
    _require(session, source, names, "/tests/conftest.py", "/docs/conf.py")


def _require(session: nox.Session, archive: Path, names: list[str], *wanted: str) -> None:
    missing = [ending for ending in wanted if not any(name.endswith(ending) for name in names)]
    if missing:
        session.error(f"missing files in {archive.name}: {missing}")


def _try_wheel(session: nox.Session, empty: Path, wheel: Path) -> None:
    """Import the package without extras, then run the command with the extras it needs."""
    session.run("python", "-m", "venv", "--clear", str(empty))
    programs = empty / "bin"
    python = str(programs / "python")
    with session.chdir(empty):  # away from the sources, which could be imported instead
        session.run(python, "-m", "pip", "install", "-q", str(wheel), external=True)
        session.run(python, "-W", "error", "-c", "import cloud66_async", external=True)
        session.run(python, "-m", "pip", "install", "-q", f"{wheel}[cli,sandbox]", external=True)
        session.run(str(programs / "cloud66-async"), "--help", external=True)
        session.run(str(programs / "cloud66-async"), "demo", "--stacks", "60", external=True)
