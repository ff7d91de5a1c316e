"""Pages of the loopback listener: one static page for each status, which looks like the sandbox's consent page."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["POLICY", "page"]

# A title and a text for each status. A response never contains anything from the request.
_PAGES = {
    "200 OK": (
        "Return to your terminal",
        "Cloud 66 has responded. You can close this window: your terminal shows whether you are logged in.",
    ),
    "302 Found": ("Log in", "Your browser is being redirected to Cloud 66."),
    "400 Bad Request": ("This login is not expected", "This request does not match the pending login."),
    "404 Not Found": ("Page not found", "This page does not exist."),
    "405 Method Not Allowed": ("Request not supported", "This page does not support this request method."),
    "410 Gone": ("Already opened", "This page can be opened only once. You can close this window."),
    "421 Misdirected Request": ("Wrong host name", "This server does not serve this host name."),
    "431 Request Header Fields Too Large": ("Request too long", "This request is too long."),
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #f4f6f8; --card: #fff; --line: #c4ccd6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --paper: #11161d; --card: #1a212b; --line: #3c4a5c; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1.5rem 2rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0; }
@media (max-width: 40rem) { body { padding: 1rem .5rem; } main { padding: 1rem 1rem 1.5rem; } }
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: str = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"


def page(status: str) -> bytes:
    """Return the HTML of the page for this status."""
    title, text = _PAGES[status]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Cloud 66</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
""".encode()
