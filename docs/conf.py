"""Configuration of Sphinx; `nox -s docs` builds the pages."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sphinx.application import Sphinx

from cloud66_async import Retry, Timeouts, __version__
from cloud66_async._core.model import Model
from cloud66_async.openapi import openapi
from cloud66_async.operation import Operation, Response
from cloud66_async.pager import Pager
from cloud66_async.resources._resource import Resource
from cloud66_async.sandbox import TOLERANT, Table

sys.path.insert(0, str(Path(__file__).parent))

from reference_pages import type_aliases

project = "cloud66_async"
author = "the contributors of cloud66_async"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "notfound.extension",
    "reference_pages",
    "command_pages",
    "page_html",
]
exclude_patterns = ["_build", "examples"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!cloud66_async\.).*"),  # documented elsewhere, and a build downloads nothing
    ("py:.*", r"cloud66_async\.(.+\.)?[A-Z]"),  # type variables
    ("py:.*", r"cloud66_async\.(.+\.)?_\w+(\..+)?"),  # private
    ("py:.*", r"cloud66_async\.resources\.Resources"),  # documented as a part of `Cloud66`
    ("py:.*", r"cloud66_async\.oauth\.\w+\.(LoginClient|MaskedToken)"),  # only in signatures, as the next ones
    ("py:.*", r"cloud66_async\.sandbox\.serving\.(transport\.SandboxTransport|delivery\.Delivery)"),
    ("py:.*", r"cloud66_async\.sandbox\.faults\.(\w+\.)?(Action)?Fault"),
]
# Docstrings put names into single backquotes.
default_role = "code"

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "substitution"]
myst_substitutions = {"release": release}
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_type_aliases = type_aliases()
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"cloud66_async {__version__}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
html_favicon = "_static/favicon.svg"
html_baseurl = os.environ.get("DOCS_URL", "")  # for canonical addresses; the pages work without it, at any address
notfound_urls_prefix = urlsplit(html_baseurl).path or "/"
pygments_style = "friendly"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

# Users receive instances of these classes and do not create them: the signature would be noise.
_RECEIVED: Final = (Model, Operation, Pager, Resource, Response, Table)
# What signatures would show otherwise: sentinels, type hints for msgspec, and every value of a default.
_READABLE: Final = (
    (re.compile(r" \| ~?[\w.]*_Unchanged"), ""),
    (re.compile(r"= UNCHANGED"), "= ..."),
    (re.compile(r"~?[\w.]*Annotated\[~?[\w.]*(?:Any|datetime), [^]]*\]"), "datetime"),
    (re.compile(re.escape(str(tuple(Timeouts())))), "Timeouts()"),
    (re.compile(re.escape(repr(Retry()))), "Retry()"),
    (re.compile(re.escape(repr(TOLERANT))), "TOLERANT"),
)


def setup(app: Sphinx) -> None:
    """Adjust signatures, members and docstrings, and write the OpenAPI document."""
    app.connect("autodoc-process-signature", _adjust_signature)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before napoleon
    app.connect("build-finished", _write_openapi)


def _adjust_signature(
    _app: Sphinx, _what: str, _name: str, found: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    if isinstance(found, type) and issubclass(found, _RECEIVED):
        return "", None
    if signature is not None:
        for pattern, replacement in _READABLE:
            signature = pattern.sub(replacement, signature)
    return signature, returns


def _skip_member(_app: Sphinx, _what: str, _name: str, found: object, _skipped: bool, _options: object) -> bool | None:
    """Leave out the fields of named tuples: Python documents them only by number."""
    return True if (getattr(found, "__doc__", None) or "").startswith("Alias for field number") else None


def _keep_colons(_app: Sphinx, what: str, _name: str, _found: object, _options: object, lines: list[str]) -> None:
    """Insert a comment: napoleon takes the text before a colon in the first line of an attribute for its type."""
    if what in ("attribute", "property", "data"):
        lines[:0] = ["..", ""]


def _write_openapi(app: Sphinx, error: Exception | None) -> None:
    """Write the OpenAPI document beside the start page, which links it."""
    if error is None:
        (Path(app.outdir) / "openapi.json").write_text(json.dumps(openapi(), indent=2), encoding="utf-8")
