"""A shared quota whose book cannot be reached, and whose quota it is. The book is in memory."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

import pytest

from cloud66_async import Cloud66, ConfigError, QuotaError, Retry
from cloud66_async._core import book, lease, shared
from cloud66_async.operation import get
from cloud66_async.resources.stacks import Stack

from ..support import RecordingClock, Script, client
from .fake_book import CountingServer, FakeQuota, left

READ = get("/things/{thing}.json", Stack)
CALL = READ.bind(thing=1)
HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)
LOST = "lost the shared quota, each process limits its requests on its own: cannot use the shared quota: no connection"


@pytest.fixture
def late(recorder: RecordingClock) -> RecordingClock:
    """A clock at 20 seconds before the full hour."""
    recorder.time = HOUR - timedelta(seconds=20)
    return recorder


async def test_open_falls_back_on_what_the_process_knows(
    late: RecordingClock, caplog: pytest.LogCaptureFixture
) -> None:
    quota = FakeQuota()
    quota.book.failing = True
    transport = Script(left(12), left(9), left(8))
    async with client(transport, shared_quota=quota, limit=2, clock=late, retry=Retry(max_pause=1)) as c66:
        with caplog.at_level(logging.INFO, "cloud66_async"):
            for _ in range(3):
                await c66.send(CALL)
            with pytest.raises(QuotaError, match="8 requests remain until 10:00 UTC, and 8 are reserved"):
                await c66.send(CALL)
    assert len(quota.book.calls) == 1  # it is tried once a second
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        LOST,
    )


async def test_closed_refuses_requests(late: RecordingClock, caplog: pytest.LogCaptureFixture) -> None:
    quota = FakeQuota(when_unavailable="closed")
    quota.book.failing = True
    transport = Script(left(12))
    async with client(transport, shared_quota=quota, clock=late) as c66:
        for _ in range(3):
            with pytest.raises(QuotaError, match="not sent: the shared quota cannot be reached") as caught:
                await c66.send(CALL)
            assert caught.value.retry_at is None
    assert (transport.requests, len(quota.book.calls)) == ([], 1)
    assert "lost the shared quota, requests are refused" in caplog.text


@pytest.mark.parametrize("when_unavailable", ["open", "closed"])
async def test_recovery(
    when_unavailable: Literal["open", "closed"], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = FakeQuota(when_unavailable=when_unavailable)
    async with client(Script(CountingServer(300)), shared_quota=quota) as c66:
        await c66.send(CALL)
        quota.book.failing = True
        with caplog.at_level(logging.INFO, "cloud66_async"):
            for _ in range(20):
                await _ignore_refusal(c66)
            time = monotonic() + 2
            for module in (book, lease):
                monkeypatch.setattr(module, "monotonic", lambda: time)
            await _ignore_refusal(c66)
            time += 2
            quota.book.failing = False
            await c66.send(CALL)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[-1] == "the shared quota is available again"
    report = quota.book.calls[-2][1]
    assert (report.held, report.remaining) == (0, 299 if when_unavailable == "closed" else 278)


async def _ignore_refusal(c66: Cloud66) -> None:
    with suppress(QuotaError):
        await c66.send(CALL)


async def test_key_is_a_digest_of_the_token_and_the_origin() -> None:
    quota = FakeQuota()
    for token, url in (("secret-1", None), ("secret-2", None), ("secret-1", "https://api.example")):
        async with client(Script(left(5)), token=token, url=url, shared_quota=quota) as c66:
            await c66.send(CALL)
    assert len(set(quota.keys)) == 3
    assert all(len(key) == 64 and "secret" not in key for key in quota.keys)


async def test_tokens_of_one_user_share_a_quota() -> None:
    quota = FakeQuota()
    async with client(Script(CountingServer(300)), token="t1", user="ada", shared_quota=quota) as c66:
        await c66.send(CALL)
        other = c66.using(token="t2", user="ada")
        await other.send(CALL)
        assert len(quota.keys) == 1
        assert c66.quota == other.quota
        assert c66.using(account=1)._view.user == "ada"
        changed = c66.using(token="t2")
        await changed.send(CALL)
        assert len(quota.keys) == 2
        assert c66.using(user=None)._view.user is None


async def test_tokens_of_one_user_share_a_quota_within_the_process() -> None:
    async with client(Script(left(7)), token="t1", user="ada") as c66:
        await c66.send(CALL)
        assert c66.using(token="t2", user="ada").quota.remaining == 7
        assert c66.using(token="t2").quota.remaining is None
        assert c66.using(token="t1", user="ada").quota.remaining == 7


async def test_permits_of_many_tokens_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_MAX_TOKENS", 1)
    quota = FakeQuota()
    async with client(Script(CountingServer(300)), shared_quota=quota) as c66:
        views = [c66.using(token=f"t{number}") for number in range(3)]
        for view in views * 2:
            await view.send(CALL)
        assert quota.held == 3 * 16
        assert len(c66._shared._allowances) == 1
    assert quota.held == 0


async def test_invalid_arguments() -> None:
    with pytest.raises(TypeError, match="invalid shared_quota: expected an object with the methods"):
        client(Script(), shared_quota=object())
    with pytest.raises(ConfigError, match="invalid user: must not be empty"):
        client(Script(), user="")
    with pytest.raises(TypeError, match="invalid user: expected a string, not int"):
        client(Script()).using(user=1)  # type: ignore[arg-type]
