"""Signed URLs: where a file is stored. They work without a token, so only their host is ever shown."""

from __future__ import annotations

from typing import NamedTuple

from .._core.origin import DEFAULT_PORTS, Origin, is_loopback
from ..secret import Secret

__all__ = ["SignedUrl", "parse_signed_url"]


class SignedUrl(NamedTuple):
    """A URL in the parts that a request needs."""

    origin: Origin
    target: Secret

    def redirect(self, location: str) -> SignedUrl | None:
        """Return the URL that a redirect leads to, or None if it is invalid or less secure than this one."""
        from urllib.parse import urljoin

        try:
            found = parse_signed_url(Secret(urljoin(self.origin.url + self.target.reveal(), location)))
        except ValueError:
            return None
        return None if found is None or (self.origin.tls and not found.origin.tls) else found


def parse_signed_url(url: Secret) -> SignedUrl | None:
    """Return the parts of `url`, or None if it is not an https URL without user name. Loopback hosts may use http.

    It raises nothing, so no traceback shows the URL.
    """
    from urllib.parse import urlsplit  # imported lazily: takes 3 ms

    text = url.reveal()
    if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in text):
        return None
    try:
        parts = urlsplit(text)
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None
    host = parts.hostname
    if not host or not port or "@" in parts.netloc or (parts.scheme == "http" and not is_loopback(host)):
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SignedUrl(Origin(host, port, parts.scheme == "https"), Secret(target))
