"""Form for the token endpoint, with a redacted `repr()`."""

from __future__ import annotations

from ..secret import MASK

__all__ = ["Form", "code_form"]

_SECRET_FIELDS = ("code", "code_verifier", "client_secret", "refresh_token", "token")


class Form(dict[str, str]):
    """Form fields, some of them secret. They are redacted in tracebacks that show local variables."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    __str__ = __repr__

    def redact(self, text: str) -> str:
        """Return `text` with the secrets of this form masked."""
        for name in _SECRET_FIELDS:
            if self.get(name):
                text = text.replace(self[name], MASK)
        return text


def code_form(code: str, redirect_url: str | None, verifier: str | None) -> Form:
    """Return the form that exchanges an authorization code for a token."""
    form = Form(grant_type="authorization_code", code=code)
    if redirect_url:
        # Under both names, as in the authorization URL: a server knows only one of them.
        form["redirect_url"] = form["redirect_uri"] = redirect_url
    if verifier:
        form["code_verifier"] = verifier
    return form
