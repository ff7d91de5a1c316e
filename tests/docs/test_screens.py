"""The built pages in Chromium: they fit on a phone, load nothing from elsewhere, and have a light and a dark form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from .examples import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PAGES = (
    "index",
    "start",
    "how-to/deploy-ci",
    "explain/compare",
    "explain/benchmarks",
    "reference/cli",
    "reference/resources/stacks",
)
# The theme hides what is too wide, so the width of the document does not show it. Blocks of code may scroll.
TOO_WIDE = """() => {
  const scrolls = element => {
    for (let outer = element.parentElement; outer && outer.tagName !== 'ARTICLE'; outer = outer.parentElement)
      if (getComputedStyle(outer).overflowX !== 'visible') return true;
    return false;
  };
  return [...document.querySelectorAll('article, article *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element))
    .map(element => element.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("furo", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", str(ROOT / "docs"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_and_load_nothing(
    built: Path, chromium: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name in PAGES:
        page.goto((built / f"{name}.html").as_uri())
        assert page.evaluate(TOO_WIDE) == [], name
        # Text that is darker than its ground on a light page, and lighter on a dark one.
        ink = page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)[0]")
        assert (ink > 128) == (scheme == "dark"), name
        shown = page.evaluate("[...document.images].filter(i => i.offsetWidth).map(i => i.naturalWidth)")
        assert 0 not in shown, name
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    page.close()
