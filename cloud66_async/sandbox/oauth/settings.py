"""How the sandbox's OAuth provider behaves where real ones differ."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["STRICT", "TOLERANT", "Profile"]


@attrs.frozen(kw_only=True)
class Profile:
    """What the provider accepts and how it answers.

    `redirect_names` are the names under which the redirect URL is looked for, `scope_separators` the
    characters that may stand between scopes. `answer` is the form of a token answer: always form-encoded,
    always JSON, or what `Accept` asks for. `pkce` is ignored, checked where it is used, or required.
    `redirect_required` asks for the redirect URL in the token request too, `client_credentials` says whether an
    application gets a token of its own, `revoke_on_reuse` whether a code's second use ends the token of the
    first. `expires_in` is the life of a token in seconds, None without end.
    """

    redirect_names: tuple[str, ...] = ("redirect_uri", "redirect_url")
    scope_separators: str = ", "
    answer: Literal["form", "json", "accept"] = "form"
    pkce: Literal["ignored", "known", "required"] = "known"
    redirect_required: bool = False
    client_credentials: bool = False
    revoke_on_reuse: bool = False
    expires_in: int | None = None


TOLERANT = Profile()
"""As Cloud 66's documentation has it: either name, either separator, the answer form-encoded."""

STRICT = Profile(
    redirect_names=("redirect_uri",),
    scope_separators=" ",
    answer="json",
    redirect_required=True,
    client_credentials=True,
)
"""As a Doorkeeper does it, the kind of provider that Cloud 66 shows signs of."""
