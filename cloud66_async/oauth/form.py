"""What is sent to the token endpoint: a form that does not show itself."""

from __future__ import annotations

from ..secret import MASK

__all__ = ["Form", "code_form"]

_SECRET = ("code", "code_verifier", "client_secret", "refresh_token", "token")


class Form(dict[str, str]):
    """Fields of a form, some of them secret: a traceback that shows local variables shows a mask."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    __str__ = __repr__

    def masked(self, text: str) -> str:
        """The text without the secrets of this form."""
        for name in _SECRET:
            if self.get(name):
                text = text.replace(self[name], MASK)
        return text


def code_form(code: str, redirect_url: str | None, verifier: str | None) -> Form:
    """The exchange of a code for a token."""
    form = Form(grant_type="authorization_code", code=code)
    if redirect_url:
        # As in the address of the consent page: a server knows one of the two names.
        form["redirect_url"] = form["redirect_uri"] = redirect_url
    if verifier:
        form["code_verifier"] = verifier
    return form
