"""The HTML of the pages: descriptions in their heads, and checks of what was written. Findings are warnings."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["MOST_BYTES", "describe", "findings", "setup"]

MOST_BYTES: Final = 150_000
"""Size of the largest page that is still comfortable to load and to read."""

_LONGEST: Final = 160  # search engines and chats show about as many characters


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Add the descriptions, and check the pages at the end of a build."""
    sphinx.connect("html-page-context", _add_description)
    sphinx.connect("build-finished", _check, priority=900)  # after the files that pages link
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe(text: str) -> str:
    """Return as many sentences as fit into a description, or the words that do."""
    text = " ".join(text.split())
    whole = re.findall(r".+?[.!?](?=\s|$)", text[: _LONGEST + 1])
    sentences = "".join(whole).strip()
    if sentences:
        return sentences
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rpartition(' ')[0].rstrip(',;:')} …"


def _add_description(app: Sphinx, _name: str, _template: str, context: dict[str, Any], document: Any) -> None:
    if document is None:
        return
    nodes: Any = import_module("docutils.nodes")  # it has no types
    paragraph = next((found for found in document.findall(nodes.paragraph) if found.astext().strip()), None)
    title = re.sub(r"<[^>]+>", "", str(context["title"]))
    tags = {"og:type": "website", "og:site_name": str(app.config.project), "og:title": html.unescape(title)}
    base = str(app.config.html_baseurl)
    if base:
        tags |= {"og:url": f"{base.rstrip('/')}/{context['pagename']}.html"}
    lines = [_tag("property", name, value) for name, value in tags.items()]
    if paragraph is not None:
        text = describe(paragraph.astext())
        lines += [_tag("name", "description", text), _tag("property", "og:description", text)]
    context["metatags"] = "\n".join([str(context.get("metatags", "")), *lines])
    context["body"] = _compact(str(context["body"]))


def _compact(body: str) -> str:
    """Return a page without what its long tables repeat in every cell and no reader sees."""

    def shorten(table: re.Match[str]) -> str:
        text = re.sub(r"<td><p>(.*?)</p></td>", r"<td>\1</td>", table[0])
        text = re.sub(r'<span class="pre">(.*?)</span>', r"\1", text)
        return re.sub(r' class="row-(?:odd|even)"| title="cloud66_async[^"]*"', "", text)

    return re.sub(r'<table class="operations .*?</table>', shorten, body, flags=re.DOTALL)


def _tag(key: str, name: str, value: str) -> str:
    return f'<meta {key}="{name}" content="{html.escape(value)}">'


# --- checks --------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What the checks need of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self.described = False
        self.links: list[str] = []
        self.names: set[str] = set()
        self.nameless: list[str] = []
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read one tag."""
        values = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title" and not self.title
        if "id" in values:
            self.names.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "img" and not values.get("alt"):
            self.nameless.append(values.get("src", ""))
        if tag == "svg" and values.get("role") == "img" and not values.get("aria-label"):
            self.nameless.append("an svg")
        if tag == "meta" and values.get("name") == "description" and values.get("content"):
            self.described = True

    def handle_data(self, data: str) -> None:
        """Read the title."""
        if self._in_title:
            self.title += data
            self._in_title = False


def _check(sphinx: Sphinx, error: Exception | None) -> None:
    if error is not None or sphinx.builder.name != "html":
        return
    from sphinx.util import logging

    logger = logging.getLogger(__name__)
    names = {f"{name}.html" for name in sphinx.env.found_docs}
    for finding in findings(Path(sphinx.outdir), names):
        logger.warning("%s", finding)


def findings(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with pages: their size, titles, descriptions, pictures and links to each other."""
    pages = {(folder / name).resolve(): _Page((folder / name).read_text(encoding="utf-8")) for name in names}
    for path, page in sorted(pages.items()):
        name = path.relative_to(folder.resolve()).as_posix()
        size = path.stat().st_size
        if size > MOST_BYTES:
            yield f"{name}: {size:,} bytes of HTML; at most {MOST_BYTES:,} are readable: divide the page"
        if not page.title.strip():
            yield f"{name}: no title"
        if not page.described:
            yield f"{name}: no description; start the page with a paragraph"
        for source in page.nameless:
            yield f"{name}: {source} has no alternative text"
        yield from (f"{name}: {link} leads nowhere" for link in page.links if not _exists(link, path, pages))


def _exists(link: str, path: Path, pages: dict[Path, _Page]) -> bool:
    """Return whether a link to another page has a target. Other links are left to `sphinx-build -b linkcheck`."""
    if re.match(r"[a-z]+:|//|/", link):
        return True
    file, _, anchor = link.partition("#")
    target = (path.parent / file.partition("?")[0]).resolve() if file else path
    if target not in pages:
        return target.exists()
    return not anchor or anchor in pages[target].names
