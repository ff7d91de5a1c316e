"""How the pages are built: `nox -s docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

from cloud66_async import __version__
from cloud66_async.model import Model
from cloud66_async.resources._base import Resource

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
    ("py:.*", r"cloud66_async\.(oauth|sandbox)\.\w+\.(Session|MaskedToken|Logins|Incoming|Reply|FakeLane|Fault)"),
]
# Docstrings name things in single backquotes.
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"cloud66_async {__version__}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True


def setup(app: Sphinx) -> None:
    """Leave out the signatures of what readers never make themselves: models and resources."""
    app.connect("autodoc-process-signature", _without_signature)


def _without_signature(_app: Sphinx, _what: str, _name: str, found: object, *_more: object) -> tuple[str, None] | None:
    return ("", None) if isinstance(found, type) and issubclass(found, Model | Resource) else None
