"""What the pages look like before they are built: their blocks, their pictures, and the figures that they quote."""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cloud66_async.cli.app import app

from .examples import PAGES, ROOT

sys.path.insert(0, str(ROOT / "docs"))

# Not import statements: type checkers do not look for modules in docs/.
command_pages = import_module("command_pages")
page_html = import_module("page_html")

STATIC = ROOT / "docs" / "_static"
WIDEST = 80
README_COMMANDS = "python3 -m venv "  # each is one line, as `.ci/run` expects
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])

_FENCE = re.compile(r"^(```+)([^\n`]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_INCLUDED = re.compile(r"^```\{literalinclude\} (\S+)", re.MULTILINE)
_PICTURE = re.compile(r"!\[(.*?)\]\((.*?)\)", re.DOTALL)


@EVERY_PAGE
def test_page_has_one_title_and_starts_with_a_sentence(page: Path) -> None:
    text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = _FENCE.sub("", text)
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1
    assert re.match(r"\s*# \S.*\n\n([A-Z`*:]|\{)", text) is not None


@EVERY_PAGE
def test_no_block_is_wider_than_a_terminal(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = [fence for fence in _FENCE.finditer(text) if not fence[2].startswith("{")]
    lines = [line for fence in blocks for line in fence[3].splitlines()]
    for name in _INCLUDED.findall(text):
        lines += (page.parent / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > WIDEST and not line.startswith(README_COMMANDS)] == []


@EVERY_PAGE
def test_blocks_can_be_pasted(page: Path) -> None:
    for fence in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if fence[2] in ("python", "bash"):
            # It would take the next line of the block for its answer.
            assert re.search(r"^(>>> |\.\.\. )|\binput\(", fence[3], re.MULTILINE) is None, fence[3]


@EVERY_PAGE
def test_pictures_exist_and_are_described(page: Path) -> None:
    for text, target in _PICTURE.findall(page.read_text(encoding="utf-8")):
        assert len(text) > 20, target
        assert (page.parent / target).exists()


def test_pictures_have_no_ground_and_load_nothing() -> None:
    plots = sorted((STATIC / "plots").glob("*.svg"))
    assert len(plots) == 4
    for picture in [*plots, *STATIC.glob("*.svg")]:
        text = picture.read_text(encoding="utf-8")
        assert re.search(r"<image|@import|@font-face|url\((?!#)", text) is None, picture
        # Without a size of their own, pictures are as wide as the text, also on a phone.
        assert re.search(r"<svg[^>]*\swidth=", text) is None, picture
        if picture in plots:
            assert "fill: #ffffff" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_of_the_terminal_show_what_the_commands_print(theme: str) -> None:
    pictures = import_module("pictures")
    stored = (STATIC / f"terminal-{theme}.svg").read_text(encoding="utf-8")
    assert _words(stored) == _words(pictures.render(pictures.record(), theme))


def _words(picture: str) -> list[str]:
    """Return the words of a picture, without times."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", picture.replace("&#160;", " "), flags=re.DOTALL)
    return re.sub(r"\b\d+(s|m|h|d)\b", "N", text).split()


def test_pages_quote_the_stored_benchmarks() -> None:
    parts = json.loads((STATIC / "benchmarks.json").read_text(encoding="utf-8"))["parts"]
    cells = {
        (name, cell["row"], cell["point"]): cell["values"] for name, part in parts.items() for cell in part["cells"]
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {
        "**cloud66_async**": "cloud66-async",
        "aiohttp with msgspec": "aiohttp",
        "httpx2": "httpx2",
        "Authlib on httpx2": "authlib on httpx2",
        "Authlib on httpx": "authlib on httpx",
        "httpx": "httpx",
        "lower bound: raw asyncio": "raw",
    }
    for title, row in rows.items():
        ten, hundred = (f"{cells['small', row, point]['cpu']:,.0f}" for point in ("10", "100"))
        page = cells.get(("pages", row, "32"))
        last = "" if page is None else f"{page['cpu']:,.0f}"
        assert re.search(
            rf"^\| {re.escape(title)} \| {ten} \| {hundred} \| ([\d,]+ to )?{last} ?\|$", readme, re.MULTILINE
        )
    for count in (cells["waiting", row, "600"]["requests"] for row in ("cloud66-async", "each every 15 s")):
        assert f" {count:,}" in readme


def test_page_of_the_benchmarks_counts_the_targets() -> None:
    targets = json.loads((STATIC / "benchmarks.json").read_text(encoding="utf-8"))["targets"]
    measured = [target["met"] for target in targets if target["met"] is not None]
    text = (ROOT / "docs" / "explain" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"Of {len(measured)} targets, {measured.count(False)} were not met" in text


def test_command_line_page_lists_every_command() -> None:
    text = "".join(map(command_pages.commands, command_pages.PAGES))
    names = [name for name in app if not name.startswith("-")]
    assert len(names) > 20
    assert [name for name in names if f"\n### {name}\n" not in text] == []
    assert [name for name in names if f"[{name}](cli-" not in command_pages.overview()] == []
    assert "`--environment`, `-e` *text*\n: Environment of the stack" in text
    assert "\n#### services restart\n" in text
    shared = command_pages.shared_options()
    assert "## Login options" in shared
    assert "`--json`\n: JSON output" in shared


@pytest.mark.parametrize(
    ("page", "finding"),
    [
        ("<title>T</title>", "no description"),
        ('<meta name="description" content="d">', "no title"),
        ('<title>T</title><meta name="description" content="d"><img src="a.png">', "no alternative text"),
        ('<title>T</title><meta name="description" content="d"><a href="b.html">', "leads nowhere"),
        ('<title>T</title><meta name="description" content="d"><a href="#b">', "leads nowhere"),
        (f'<title>T</title><meta name="description" content="d">{" " * 150_000}', "bytes of HTML"),
    ],
)
def test_build_finds_what_is_wrong_with_a_page(tmp_path: Path, page: str, finding: str) -> None:
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    (found,) = page_html.findings(tmp_path, ["a.html"])
    assert finding in found


def test_build_accepts_a_page_without_faults(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<title>T</title><meta name="description" content="d"><a id="x" href="#x"><a href="https://example.com">'
        '<img src="a.png" alt="A picture.">',
        encoding="utf-8",
    )
    assert list(page_html.findings(tmp_path, ["a.html"])) == []


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("One. Two.", "One. Two."),
        ("One.  " + "long " * 40 + "end.", "One."),
        ("word " * 50, "word " * 31 + "word …"),
        ("no stop", "no stop"),
    ],
)
def test_description_has_whole_sentences_or_words(text: str, description: str) -> None:
    assert page_html.describe(text) == description


def test_python_blocks_are_short() -> None:
    """Longer programs are files that a test runs; on a page they cannot be seen at once."""
    for page in (ROOT / "docs" / "start.md", ROOT / "docs" / "tutorial.md", ROOT / "README.md"):
        for fence in _FENCE.finditer(page.read_text(encoding="utf-8")):
            if fence[2] == "python":
                assert len(fence[3].splitlines()) <= 35
                ast.parse(fence[3])
