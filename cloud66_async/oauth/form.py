"""Forms for the token endpoint, whose fields are hidden, and forms that a server sends."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_plus, urlencode

from ..secret import MASK, Hidden

__all__ = ["Form", "code_form", "parse_form"]

_MAX_FIELDS = 50

_SECRET_FIELDS = ("code", "code_verifier", "client_secret", "refresh_token", "token")


class Form:
    """Form fields, some of them secret. Not a mapping: crash reporters show the values of mappings."""

    __slots__ = ("_fields",)

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    def add(self, name: str, value: str) -> None:
        """Set a field."""
        self._fields[name] = value

    def reveal(self, name: str) -> str:
        """Return the value of a field, or an empty string."""
        return self._fields.get(name, "")

    def encode(self) -> Hidden:
        """Return the body of the request."""
        return Hidden(urlencode(self._fields).encode("ascii"))

    def redact(self, text: str) -> str:
        """Return `text` with the secrets of this form masked."""
        for secret in filter(None, map(self.reveal, _SECRET_FIELDS)):
            text = text.replace(secret, MASK)
        return text


def code_form(code: str, redirect_url: str | None, verifier: str | None) -> Form:
    """Return the form that exchanges an authorization code for a token."""
    form = Form(grant_type="authorization_code", code=code)
    if redirect_url:
        # Under both names, as in the authorization URL: a server knows only one of them.
        form.add("redirect_url", redirect_url)
        form.add("redirect_uri", redirect_url)
    if verifier:
        form.add("code_verifier", verifier)
    return form


def parse_form(text: str, known: Collection[str]) -> dict[str, list[str]]:
    """Return the values of each parameter in a query string or a form-encoded body. Raises ValueError.

    Parameters that are not `known` must be ignored (RFC 6749, sections 4.1.2 and 5.1): they may lack a value.
    """
    pairs = text.split("&")
    if len(pairs) > _MAX_FIELDS or (text and "=" not in text):
        raise ValueError("too many parameters, or not a form")
    fields: dict[str, list[str]] = {}
    for pair in pairs:
        name, separator, value = (unquote_plus(part, errors="strict") for part in pair.partition("="))
        if separator:
            fields.setdefault(name, []).append(value)
        elif name in known:
            raise ValueError("a parameter without a value")
    return fields
