"""Callbacks: the state is checked first, then the URL, then the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.datastructures import QueryParams

from cloud66_async.errors import AccessDenied, LoginError, StateMismatch
from cloud66_async.oauth.callback import OUT_OF_BAND, Callback, extract_code, verify_callback

from .evidence import error_output

STATE = "state-of-this-login"
REDIRECT = "https://app.example/callback"
NO_DEADLINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def code(callback: Callback, *, state: str = STATE, redirect_url: str | None = REDIRECT) -> str:
    return extract_code(verify_callback(callback, state=state, redirect_url=redirect_url))


class Multi(Mapping[str, str]):
    """A multi-dictionary as in aiohttp: indexing returns the first value."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs[::-1])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    def getall(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


@pytest.mark.parametrize(
    "callback",
    [
        f"{REDIRECT}?code=CODE&state={STATE}",
        f"https://APP.example:443/callback?state={STATE}&code=CODE&iss=https%3A%2F%2Fapp.cloud66.com",
        f"code=CODE&state={STATE}",
        f"?code=CODE&state={STATE}",
        f"code=CODE&state={STATE}&debug",
        f"&&code=CODE&&state={STATE}&",
        f"{REDIRECT}?debug&code=CODE&x=1&state={STATE}&x=2&=&=y",
        f"/callback?code=CODE&state={STATE}",
        f"  {REDIRECT}?code=CODE&state={STATE}\n",
        {"code": "CODE", "state": STATE},
        {"code": ["CODE"], "state": (STATE,), "error": []},
        QueryParams(f"code=CODE&state={STATE}"),
        Multi(("code", "CODE"), ("state", STATE)),
    ],
)
def test_every_callback_format_is_accepted(callback: Callback) -> None:
    assert code(callback) == "CODE"


@pytest.mark.parametrize("error", [{}, {"error": "access_denied"}, {"code": "CODE"}])
@pytest.mark.parametrize(
    "states",
    [
        [],
        [""],
        ["another"],
        [STATE + "x"],
        [STATE[:-1]],
        ["é"],
        ["\udcff"],
        [STATE, STATE],
        [STATE, "another"],
        ["", STATE],
    ],
)
def test_state_is_checked_before_anything_else(states: list[str], error: dict[str, str]) -> None:
    with pytest.raises(StateMismatch) as caught:
        code({"state": states, **{name: [value] for name, value in error.items()}})
    assert STATE not in str(caught.value)
    pairs = [("state", state) for state in states] + list(error.items())
    with pytest.raises(StateMismatch):
        code(Multi(*pairs))
    if "\udcff" not in states:
        with pytest.raises(StateMismatch):
            code(f"https://elsewhere.example/?{urlencode(pairs)}")
        with pytest.raises(StateMismatch):
            code(QueryParams(pairs))


def test_empty_state_never_matches() -> None:
    with pytest.raises(StateMismatch):
        code("code=CODE&state=", state="")
    with pytest.raises(StateMismatch):
        code("code=CODE", state="")


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/callback",
        "http://app.example:443/callback",
        "https://app.example.evil/callback",
        "https://app.example:8443/callback",
        "https://app.example:port/callback",
        "https://app.example/callback/",
        "https://app.example/Callback",
        "https://app.example/callback/../callback",
        "https://app.example/",
        "cloud66:/callback",
    ],
)
def test_callback_url_must_match_the_redirect_url(url: str) -> None:
    with pytest.raises(LoginError, match="does not match the redirect URL"):
        code(f"{url}?code=CODE&state={STATE}")
    assert code(f"{url}?code=CODE&state={STATE}", redirect_url=None) == "CODE"


def test_error_at_another_url_is_rejected() -> None:
    with pytest.raises(LoginError, match="does not match the redirect URL"):
        code(f"https://evil.example/?error=access_denied&state={STATE}")


@pytest.mark.parametrize("fragment", ["#", "#access_token=ATTACKER&token_type=bearer", "#_=_"])
def test_fragment_is_rejected(fragment: str) -> None:
    with pytest.raises(LoginError, match="fragment") as caught:
        code(f"{REDIRECT}?code=CODE&state={STATE}{fragment}")
    assert "ATTACKER" not in error_output(caught.value)


@pytest.mark.parametrize("name", ["code", "error", "error_description", "iss"])
def test_repeated_parameters_are_rejected(name: str) -> None:
    query = f"state={STATE}&{name}=one&{name}=two"
    callbacks: list[Callback] = [
        query,
        f"{REDIRECT}?{query}",
        {"state": STATE, name: ["one", "two"]},
        QueryParams(query),
        Multi(("state", STATE), (name, "one"), (name, "two")),
    ]
    for callback in callbacks:
        with pytest.raises(LoginError, match="occurs more than once"):
            code(callback)


@pytest.mark.parametrize(
    "text",
    [
        f"state={STATE}&code",
        f"state={STATE}&state&code=CODE",
        f"state={STATE}&code=%ff%fe",
        "&".join([f"state={STATE}", "code=CODE", *(f"f{number}=1" for number in range(60))]),
        f"state={STATE}&code=" + "x" * 20_000,
        f"state={STATE}&code=CODE\r\nSet-Cookie: x",
        f"https://[::1/callback?code=CODE&state={STATE}",
        "CODE",
    ],
)
def test_malformed_callback_is_rejected(text: str) -> None:
    with pytest.raises(LoginError, match="neither a URL nor a query string") as caught:
        code(text)
    assert "CODE" not in error_output(caught.value)
    assert STATE not in error_output(caught.value)


@pytest.mark.parametrize("text", ["", "?", REDIRECT, "/callback"])
def test_callback_without_parameters_is_rejected(text: str) -> None:
    with pytest.raises(StateMismatch):
        code(text)


def test_parameters_must_be_strings() -> None:
    invalid: dict[str, Any] = {"state": STATE, "code": [1]}
    with pytest.raises(LoginError, match="must be a string"):
        code(invalid)
    invalid = {"state": [None], "code": "CODE"}
    with pytest.raises(LoginError, match="must be a string"):
        code(invalid)


def test_denial_raises_access_denied() -> None:
    with pytest.raises(AccessDenied, match="The resource owner denied the request"):
        code(f"error=access_denied&error_description=The+resource+owner+denied+the+request&state={STATE}")


def test_other_error_is_reported() -> None:
    with pytest.raises(LoginError, match="invalid_scope: The scope is unknown") as caught:
        code({"error": "invalid_scope", "error_description": "The scope is unknown", "state": STATE})
    assert not isinstance(caught.value, AccessDenied)


def test_error_takes_precedence_over_code() -> None:
    with pytest.raises(AccessDenied):
        code(f"code=CODE&error=access_denied&state={STATE}")


def test_empty_error_is_an_error() -> None:
    with pytest.raises(LoginError, match="the server gave no reason"):
        code(f"code=CODE&error=&state={STATE}")


def test_error_text_cannot_forge_log_lines() -> None:
    with pytest.raises(LoginError) as caught:
        code({"error": "x\r\n2026 INFO fine", "error_description": "\x1b[2J" * 999, "state": STATE})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_callback_without_code_and_error_is_rejected() -> None:
    with pytest.raises(LoginError, match="neither a code nor an error"):
        code(f"error_code=CODE&state={STATE}")


@pytest.mark.parametrize("given", ["", "a b", "a\n", "é", "x" * 5000])
def test_invalid_code_is_rejected(given: str) -> None:
    with pytest.raises(LoginError, match="invalid code"):
        code({"code": given, "state": STATE})


@pytest.mark.parametrize(
    "pasted",
    [
        "CODE-1",
        "  CODE-1\n",
        "https://app.cloud66.com/oauth/authorize/native?code=CODE-1",
        "code=CODE-1",
        f"?code=CODE-1&state={STATE}",
    ],
)
def test_out_of_band_accepts_pasted_text(pasted: str) -> None:
    assert code(pasted, redirect_url=OUT_OF_BAND) == "CODE-1"


def test_out_of_band_rejects_a_wrong_state() -> None:
    with pytest.raises(StateMismatch):
        code("code=CODE-1&state=another", redirect_url=OUT_OF_BAND)


@pytest.mark.parametrize("pasted", ["", " ", "two words", "a\nb"])
def test_out_of_band_rejects_an_invalid_code(pasted: str) -> None:
    with pytest.raises(LoginError, match="invalid code"):
        code(pasted, redirect_url=OUT_OF_BAND)


def test_out_of_band_denial_raises_access_denied() -> None:
    with pytest.raises(AccessDenied):
        code("error=access_denied", redirect_url=OUT_OF_BAND)


@NO_DEADLINE
@given(st.text(max_size=200))
def test_text_without_the_state_is_never_accepted(text: str) -> None:
    with pytest.raises(LoginError):
        code(text, state="a state that hypothesis does not guess")


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["code", "state", "error", "error_description", "iss"]), st.just(STATE) | st.text(max_size=9)
    ),
    max_size=6,
)


@NO_DEADLINE
@given(PAIRS, st.booleans())
def test_code_requires_one_matching_state_one_code_and_no_error(pairs: list[tuple[str, str]], as_text: bool) -> None:
    names = [name for name, _ in pairs]
    single = names.count("state") == 1 == names.count("code")
    good = single and ("state", STATE) in pairs and "error" not in names
    good = good and names.count("error_description") < 2 and names.count("iss") < 2
    try:
        found = code(urlencode(pairs, errors="surrogatepass") if as_text else Multi(*pairs))
    except LoginError:
        text = dict(pairs).get("code", "")
        assert not (good and text.isascii() and text.isprintable() and text and " " not in text)
    else:
        assert good
        assert found == dict(pairs)["code"]


@NO_DEADLINE
@given(st.dictionaries(st.sampled_from(["code", "state"]), st.none() | st.integers() | st.lists(st.text(max_size=3))))
def test_unexpected_mapping_raises_login_error(mapping: dict[str, Any]) -> None:
    with pytest.raises(LoginError):
        code(mapping, state="a state that hypothesis does not guess")
