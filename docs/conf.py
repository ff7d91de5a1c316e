"""How the pages are built: `nox -s docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

from cloud66_async import __version__
from cloud66_async._core.model import Model
from cloud66_async.operation import Operation, Response
from cloud66_async.pager import Pager
from cloud66_async.resources._resource import Resource

sys.path.insert(0, str(Path(__file__).parent))

project = "cloud66_async"
author = "the contributors of cloud66_async"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "operation_tables"]
exclude_patterns = ["_build", "examples"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!cloud66_async\.).*"),  # documented elsewhere, and nothing is fetched for a build
    ("py:.*", r"cloud66_async\.(.+\.)?[A-Z]"),  # type variables
    ("py:.*", r"cloud66_async\.(.+\.)?_\w+(\..+)?"),  # private
    (
        "py:.*",
        r"cloud66_async\.(oauth|sandbox)\.\w+\.(Session|MaskedToken|Logins|Request|Reply|SandboxTransport|Fault)",
    ),
]
# Docstrings name things in single backquotes.
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"cloud66_async {__version__}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

# What readers get and never make themselves: its signature would only be in the way.
_GIVEN = (Model, Operation, Pager, Resource, Response)


def setup(app: Sphinx) -> None:
    """Make signatures and members read as they are meant."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)


def _signature(
    _app: Sphinx, _what: str, _name: str, found: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    if isinstance(found, type) and issubclass(found, _GIVEN):
        return "", None
    if signature is not None:  # what `using` leaves as it is
        signature = signature.replace(" | _Keep", "").replace("<_Keep.KEEP: 1>", "...")
    return signature, returned


def _skip(_app: Sphinx, _what: str, _name: str, found: object, _by_itself: bool, _options: object) -> bool | None:
    """Leave out the fields of named tuples, about which Python says nothing but their number."""
    return True if (getattr(found, "__doc__", None) or "").startswith("Alias for field number") else None
