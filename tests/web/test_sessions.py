"""Session stores."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cloud66_async import Token
from cloud66_async.integrations.starlette import MemorySessions, SessionStore
from cloud66_async.oauth.store import from_fields, to_fields
from cloud66_async.sandbox import FakeClock

from .site import open_site

HOUR = timedelta(hours=1)


async def test_saved_token_can_be_loaded() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("token"), HOUR)
    assert await sessions.load("key") == Token("token")
    assert await sessions.load("other") is None


async def test_deleted_session() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("token"), HOUR)
    await sessions.delete("key")
    await sessions.delete("key")
    assert await sessions.load("key") is None


async def test_expired_session_is_removed() -> None:
    clock = FakeClock()
    sessions = MemorySessions(clock=clock)
    await sessions.save("key", Token("token"), HOUR)
    clock.advance(3599)
    assert await sessions.load("key") is not None
    clock.advance(1)
    assert await sessions.load("key") is None
    assert len(sessions) == 0


async def test_least_recently_used_session_is_replaced() -> None:
    sessions = MemorySessions(limit=3)
    for key in "abc":
        await sessions.save(key, Token(key), HOUR)
    await sessions.load("a")
    await sessions.save("d", Token("d"), HOUR)
    assert len(sessions) == 3
    assert [key for key in "abcd" if await sessions.load(key)] == ["a", "c", "d"]


async def test_saving_again_replaces_the_token() -> None:
    sessions = MemorySessions(limit=2)
    await sessions.save("a", Token("1"), HOUR)
    await sessions.save("a", Token("2"), HOUR)
    assert len(sessions) == 1
    assert await sessions.load("a") == Token("2")


def test_invalid_limit() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MemorySessions(limit=0)


async def test_repr_shows_no_token() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("t0ken"), HOUR)
    assert repr(sessions) == "<MemorySessions: 1 of at most 10000>"


class TextSessions:
    """Store that serializes tokens, like one outside the process."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}
        self.lifetimes: list[timedelta] = []

    async def load(self, key: str) -> Token | None:
        text = self.items.get(key)
        return None if text is None else from_fields(json.loads(text))

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        self.items[key] = json.dumps(to_fields(token))
        self.lifetimes.append(lifetime)

    async def delete(self, key: str) -> None:
        self.items.pop(key, None)


async def test_custom_store() -> None:
    store: SessionStore = TextSessions()
    assert isinstance(store, TextSessions)
    async with open_site(sessions=store, lifetime=HOUR) as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/api/stacks")).status_code == 200
        assert store.lifetimes == [HOUR]
        # The store holds digests only, so it does not reveal any cookie.
        assert browser.session not in store.items
        await browser.post("/logout")
        assert store.items == {}


async def test_empty_store_is_used() -> None:
    # An empty store has the length 0 and is therefore false.
    store = MemorySessions(limit=5)
    async with open_site(sessions=store) as site:
        await site.browser().log_in()
        assert len(store) == 1
