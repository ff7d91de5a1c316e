from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from cloud66_async import ConfigError, Token

WHEN = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["a b", "a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x00b", '"quoted"', "tökén", "a\u2028b", "=="]
)
def test_a_token_that_would_break_a_header_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="invalid character in the access token") as caught:
        Token(text)
    assert repr(text) not in repr(caught.value)
    assert len(text) < 4 or text not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "\r\n"])
def test_an_empty_token_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="empty"):
        Token(text)


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["a"]])
def test_a_token_is_text(value: object) -> None:
    with pytest.raises(ConfigError, match="expected a string"):
        Token(value)  # type: ignore[arg-type]


def test_blanks_around_it_are_those_of_copy_and_paste() -> None:
    assert Token(" abc\n").reveal() == "abc"


@pytest.mark.parametrize("text", ["a" * 64, "-_.~+/", "QUJD=="])
def test_every_form_that_a_header_can_carry_is_taken(text: str) -> None:
    assert Token(text).reveal() == text


def test_a_token_pickles_with_scopes_and_end() -> None:
    back = pickle.loads(pickle.dumps(Token("abc", scopes=("public", "redeploy"), expires_at=WHEN)))
    assert type(back) is Token
    assert (back.reveal(), back.scopes, back.expires_at) == ("abc", ("public", "redeploy"), WHEN)
