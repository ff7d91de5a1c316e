"""Where sessions are kept."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cloud66_async import Token
from cloud66_async.integrations.starlette import MemorySessions, SessionStore
from cloud66_async.oauth.store import from_fields, to_fields
from cloud66_async.sandbox import FakeClock

from .site import a_site

HOUR = timedelta(hours=1)


async def test_what_was_kept_is_there() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("token"), HOUR)
    assert await sessions.load("key") == Token("token")
    assert await sessions.load("other") is None


async def test_what_was_deleted_is_gone() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("token"), HOUR)
    await sessions.delete("key")
    await sessions.delete("key")
    assert await sessions.load("key") is None


async def test_time_ends_a_session_and_frees_its_place() -> None:
    clock = FakeClock()
    sessions = MemorySessions(clock=clock)
    await sessions.save("key", Token("token"), HOUR)
    clock.advance(3599)
    assert await sessions.load("key") is not None
    clock.advance(1)
    assert await sessions.load("key") is None
    assert len(sessions) == 0


async def test_the_one_that_was_not_used_for_longest_makes_room() -> None:
    sessions = MemorySessions(limit=3)
    for key in "abc":
        await sessions.save(key, Token(key), HOUR)
    await sessions.load("a")
    await sessions.save("d", Token("d"), HOUR)
    assert len(sessions) == 3
    assert [key for key in "abcd" if await sessions.load(key)] == ["a", "c", "d"]


async def test_saving_again_takes_no_second_place() -> None:
    sessions = MemorySessions(limit=2)
    await sessions.save("a", Token("1"), HOUR)
    await sessions.save("a", Token("2"), HOUR)
    assert len(sessions) == 1
    assert await sessions.load("a") == Token("2")


def test_there_must_be_room_for_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MemorySessions(limit=0)


async def test_it_shows_no_token() -> None:
    sessions = MemorySessions()
    await sessions.save("key", Token("t0ken"), HOUR)
    assert repr(sessions) == "<MemorySessions: 1 of at most 10000>"


class TextSessions:
    """As a store outside of the process would do it: everything is text."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.lifetimes: list[timedelta] = []

    async def load(self, key: str) -> Token | None:
        text = self.kept.get(key)
        return None if text is None else from_fields(json.loads(text))

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        self.kept[key] = json.dumps(to_fields(token))
        self.lifetimes.append(lifetime)

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)


async def test_a_store_of_ones_own() -> None:
    store: SessionStore = TextSessions()
    assert isinstance(store, TextSessions)
    async with a_site(sessions=store, lifetime=HOUR) as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/api/stacks")).status_code == 200
        assert store.lifetimes == [HOUR]
        # Whoever reads the store has no cookie to send.
        assert browser.session not in store.kept
        await browser.post("/logout")
        assert store.kept == {}


async def test_an_empty_store_of_ones_own_is_taken() -> None:
    # It has a length, and an empty one is false.
    store = MemorySessions(limit=5)
    async with a_site(sessions=store) as site:
        await site.browser().log_in()
        assert len(store) == 1
