"""Token: redacted in all output, immutable, compared in constant time."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from cloud66_async.errors import ConfigError
from cloud66_async.token import Token, is_bearer

EXPIRY = datetime(2030, 1, 1, tzinfo=UTC)
TOKEN = Token("TOKEN-1", scopes=("public",), expires_at=EXPIRY)


@attrs.frozen
class Holder:
    token: Token


def test_token_is_redacted_everywhere() -> None:
    try:
        local = Token("TOKEN-1")
        raise ValueError(local)
    except ValueError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shown = [
        *(repr(TOKEN), str(TOKEN), f"{TOKEN}", f"{TOKEN!r}", "{}".format(TOKEN), ascii(TOKEN)),  # noqa: UP032
        *(pprint.pformat({"a": [TOKEN]}), repr(Holder(TOKEN)), str(attrs.asdict(Holder(TOKEN)))),
        trace.replace('Token("TOKEN-1")', ""),  # the source line above
    ]
    assert [text for text in shown if "TOKEN-1" in text] == []
    with pytest.raises(TypeError):
        json.dumps(TOKEN)
    with pytest.raises(TypeError):
        vars(TOKEN)
    assert TOKEN.reveal() == "TOKEN-1"


@pytest.mark.parametrize("name", ["scopes", "expires_at", "_text", "other"])
def test_token_is_immutable(name: str) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(TOKEN, name, "x")
    with pytest.raises(AttributeError, match="immutable"):
        delattr(TOKEN, name)
    assert (TOKEN.reveal(), TOKEN.scopes, TOKEN.expires_at) == ("TOKEN-1", ("public",), EXPIRY)


def test_token_can_be_compared_copied_and_pickled() -> None:
    assert Token("TOKEN-1") == TOKEN
    assert Token("TOKEN-2") != TOKEN
    assert "TOKEN-1" != TOKEN  # noqa: SIM300
    assert {TOKEN: 1}[Token("TOKEN-1")] == 1
    for other in (copy.copy(TOKEN), copy.deepcopy(TOKEN), pickle.loads(pickle.dumps(TOKEN))):
        assert other == TOKEN
        assert (other.scopes, other.expires_at) == (("public",), EXPIRY)


def test_surrounding_whitespace_is_stripped() -> None:
    assert Token("  abc-._~+/123==\r\n").reveal() == "abc-._~+/123=="


@pytest.mark.parametrize(
    "text", ["", " ", "TO KEN", "a\nb", "a\r\nX-Evil: 1", "a\x00", "é", '"a"', "=a", "a=b", "Bearer a", 5, None]
)
def test_invalid_token_is_rejected_and_not_shown(text: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Token(text)
    assert not isinstance(text, str) or len(text.strip()) < 2 or text not in str(caught.value)
    assert not is_bearer(text)
