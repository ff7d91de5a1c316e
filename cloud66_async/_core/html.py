"""Web pages of the login and the sandbox: one style, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from html import escape

__all__ = ["document", "policy", "source"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #4b5768; --paper: #f4f6f8; --card: #fff; --line: #c4ccd6;
  --edge: #6b7788; --go: #0b5cad; --on-go: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --soft: #aab6c5; --paper: #11161d; --card: #1a212b;
  --line: #3c4a5c; --edge: #8596ab; --go: #7cb8ff; --on-go: #06203d; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1.5rem 2rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
a { color: var(--go); }
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px; }
@media (max-width: 40rem) { body { padding: 1rem .5rem; } main { padding: 1rem 1rem 1.5rem; } }
main > :last-child { margin-bottom: 0; }
"""


def document(title: str, content: str, *, site: str = "", style: str = "", script: str = "", wide: bool = False) -> str:
    """Return the HTML of a page.

    Args:
        title: Heading of the page, and its title.
        content: HTML below the heading.
        site: Text after the title.
        style: Rules in addition to those of all pages.
        script: The only script of the page.
        wide: Whether the page has the class for the whole width of a window.
    """
    heading = escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}{f" · {escape(site)}" if site else ""}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<main{' class="wide"' if wide else ""}>
<h1>{heading}</h1>
{content}
</main>
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def policy(style: str = "") -> str:
    """Return the Content-Security-Policy of a page with these additional rules, which allows only its style."""
    return f"default-src 'none'; style-src {source(_STYLE + style)}; base-uri 'none'; frame-ancestors 'none'"


def source(text: str) -> str:
    """Return what allows a style or script with this text in a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
