from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import Retry, errors
from cloud66_async.operation import get, post

from ..support import START

READ = get("/x.json").bind()
WRITE = post("/x.json").bind()
POP = get("/queues/pop.json", repeatable=False).bind()


def api(kind: type[errors.APIError], status: int = 500, after: float | None = None) -> errors.APIError:
    error = kind("x", status=status)
    error.retry_at = None if after is None else START + timedelta(seconds=after)
    return error


def pause(error: errors.Cloud66Error, call: Any = READ, attempt: int = 1, **options: Any) -> float | None:
    return Retry(**options).pause(call, error, attempt, START)


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (errors.TransportError("x", sent=True), True, False),
        (errors.TransportError("x", sent=False), True, True),
        (errors.TransportTimeout("x", phase="connect", sent=False), True, True),
        (errors.TransportTimeout("x", phase="read", sent=True), True, False),
        (api(errors.RequestTimeout, 408), True, False),
        (api(errors.ServerError, 500), True, False),
        (api(errors.ServerError, 502), True, False),
        (api(errors.ServerError, 503), True, False),
        (api(errors.Throttled, 429, 5), True, True),
        (api(errors.Throttled, 503, 5), True, True),
        (api(errors.Unsupported, 503), False, False),
        (api(errors.Unsupported, 503, 1), False, False),
        (api(errors.BadRequest, 400), False, False),
        (api(errors.Unauthenticated, 401), False, False),
        (api(errors.TrialExpired, 402), False, False),
        (api(errors.Forbidden, 403), False, False),
        (api(errors.NotFound, 404), False, False),
        (api(errors.NotFound, 404, 1), False, False),
        (api(errors.Conflict, 409), False, False),
        (api(errors.APIError, 418), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_is_repeated_and_what_is_not(error: errors.Cloud66Error, read: bool, write: bool) -> None:
    assert (pause(error, READ) is not None) == read
    assert (pause(error, WRITE) is not None) == write
    assert (pause(error, POP) is not None) == write


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 10, 100, 2000, 10**6])
def test_the_pause_is_a_random_part_of_a_doubling_bound(attempt: int, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        received.append((low, high))
        return high / 2

    monkeypatch.setattr(random, "uniform", uniform)
    bound = min(60.0, 0.5 * 2 ** min(attempt - 1, 100))
    assert pause(api(errors.ServerError), attempt=attempt, attempts=10**9) == bound / 2
    assert received == [(0.0, bound)]


def test_the_pause_uses_all_of_its_range() -> None:
    found = [pause(api(errors.ServerError), attempt=3) or 0.0 for _ in range(500)]
    assert 0 <= min(found) < 0.5
    assert 1.5 < max(found) <= 2.0


def test_attempts_count_the_first_try_too() -> None:
    assert [pause(api(errors.ServerError), attempt=attempt, attempts=3) is not None for attempt in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        False,
    ]
    assert pause(errors.TransportError("x", sent=False), attempts=1) is None


def test_what_the_server_asks_for_is_obeyed() -> None:
    assert pause(api(errors.ServerError, after=7)) == 7.0
    assert pause(api(errors.Throttled, after=60)) == 60.0
    assert pause(api(errors.Throttled, after=-5)) == 0.0


def test_a_longer_wait_than_allowed_is_no_wait() -> None:
    assert pause(api(errors.Throttled, after=60.001)) is None
    assert pause(api(errors.Throttled, after=3000), max_pause=3600) == 3000.0
    assert pause(api(errors.ServerError, after=2), max_pause=1) is None


def test_longest_bounds_the_random_pause_too() -> None:
    assert all(
        (pause(api(errors.ServerError), attempt=20, attempts=99, max_pause=0.25) or 0) <= 0.25 for _ in range(50)
    )
    assert pause(api(errors.ServerError), base=0) == 0.0


@pytest.mark.parametrize("options", [{"attempts": 0}, {"base": -1}, {"max_pause": -0.1}])
def test_nonsense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Retry(**options)
