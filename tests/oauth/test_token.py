"""A token: masked wherever it could be seen, frozen, compared in constant time, with one way out."""

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

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
TOKEN = Token("TOKEN-1", scopes=("public",), expires_at=MOMENT)


@attrs.frozen
class Holder:
    token: Token


def test_it_shows_itself_nowhere() -> None:
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
def test_it_does_not_change(name: str) -> None:
    with pytest.raises(AttributeError, match="does not change"):
        setattr(TOKEN, name, "x")
    with pytest.raises(AttributeError, match="does not change"):
        delattr(TOKEN, name)
    assert (TOKEN.reveal(), TOKEN.scopes, TOKEN.expires_at) == ("TOKEN-1", ("public",), MOMENT)


def test_it_can_be_compared_kept_and_copied() -> None:
    assert Token("TOKEN-1") == TOKEN
    assert Token("TOKEN-2") != TOKEN
    assert "TOKEN-1" != TOKEN  # noqa: SIM300
    assert {TOKEN: 1}[Token("TOKEN-1")] == 1
    for other in (copy.copy(TOKEN), copy.deepcopy(TOKEN), pickle.loads(pickle.dumps(TOKEN))):
        assert other == TOKEN
        assert (other.scopes, other.expires_at) == (("public",), MOMENT)


def test_a_personal_token_is_taken_as_it_is_pasted() -> None:
    assert Token("  abc-._~+/123==\r\n").reveal() == "abc-._~+/123=="


@pytest.mark.parametrize(
    "text", ["", " ", "TO KEN", "a\nb", "a\r\nX-Evil: 1", "a\x00", "é", '"a"', "=a", "a=b", "Bearer a", 5, None]
)
def test_what_is_no_token_is_refused_and_not_shown(text: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Token(text)
    assert len(str(text).strip()) < 2 or str(text) not in str(caught.value)
    assert not is_bearer(text)
