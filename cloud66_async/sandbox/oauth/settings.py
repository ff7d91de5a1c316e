"""How the sandbox's OAuth provider behaves in points in which real providers differ."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["STRICT", "TOLERANT", "ProviderSettings"]


@attrs.frozen(kw_only=True)
class ProviderSettings:
    """What the OAuth provider accepts and how it responds.

    Args:
        redirect_names: Names of the parameter with the redirect URL that it accepts.
        scope_separators: Characters that may separate scopes.
        response_format: Format of token responses: always form-encoded, always JSON, or as `Accept` requests.
        pkce: Whether code challenges are ignored, optional or required.
        redirect_required: Whether the token request must contain the redirect URL.
        client_credentials: Whether an application can get a token of its own.
        revoke_on_reuse: Whether the second use of a code revokes the token of the first.
        expires_in: Lifetime of a token in seconds, or None if it does not expire.
        issuer: Issuer that each callback names as `iss` (RFC 9207), or None if callbacks name none.
    """

    redirect_names: tuple[str, ...] = ("redirect_uri", "redirect_url")
    scope_separators: str = ", "
    response_format: Literal["form", "json", "accept"] = "form"
    pkce: Literal["ignored", "optional", "required"] = "optional"
    redirect_required: bool = False
    client_credentials: bool = False
    revoke_on_reuse: bool = False
    expires_in: int | None = None
    issuer: str | None = None


TOLERANT = ProviderSettings()
"""A provider as in Cloud 66's documentation: either name, either separator, form-encoded token responses."""

STRICT = ProviderSettings(
    redirect_names=("redirect_uri",),
    scope_separators=" ",
    response_format="json",
    redirect_required=True,
    client_credentials=True,
)
"""A provider that runs Doorkeeper, as Cloud 66's own provider seems to do."""
