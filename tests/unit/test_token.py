from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from cloud66_async import ConfigError, Token

EXPIRES_AT = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["a b", "a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x00b", '"quoted"', "tökén", "a\u2028b", "=="]
)
def test_invalid_character_raises_config_error_that_hides_the_token(text: str) -> None:
    with pytest.raises(ConfigError, match="invalid character in the access token") as caught:
        Token(text)
    assert repr(text) not in repr(caught.value)
    assert len(text) < 4 or text not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "\r\n"])
def test_empty_token_raises_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="empty"):
        Token(text)


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["a"]])
def test_token_that_is_not_a_string_raises_config_error(value: object) -> None:
    with pytest.raises(ConfigError, match="expected a string"):
        Token(value)  # type: ignore[arg-type]


def test_surrounding_whitespace_is_stripped() -> None:
    assert Token(" abc\n").reveal() == "abc"


@pytest.mark.parametrize("text", ["a" * 64, "-_.~+/", "QUJD=="])
def test_every_valid_header_token_is_accepted(text: str) -> None:
    assert Token(text).reveal() == text


def test_token_pickles_with_scopes_and_expiry() -> None:
    restored = pickle.loads(pickle.dumps(Token("abc", scopes=("public", "redeploy"), expires_at=EXPIRES_AT)))
    assert type(restored) is Token
    assert (restored.reveal(), restored.scopes, restored.expires_at) == ("abc", ("public", "redeploy"), EXPIRES_AT)
