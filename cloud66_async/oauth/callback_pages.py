"""Pages of the loopback listener: one static page for each status, which looks like the sandbox's consent page."""

from __future__ import annotations

from .._core.html import document, policy

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

POLICY: str = policy()


def page(status: str) -> bytes:
    """Return the HTML of the page for this status."""
    title, text = _PAGES[status]
    return document(title, f"<p>{text}</p>", site="Cloud 66").encode()
