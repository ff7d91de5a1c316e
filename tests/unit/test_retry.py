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


def api_error(kind: type[errors.APIError], status: int = 500, retry_after: float | None = None) -> errors.APIError:
    error = kind("x", status=status)
    error.retry_at = None if retry_after is None else START + timedelta(seconds=retry_after)
    return error


def pause(error: errors.Cloud66Error, call: Any = READ, attempt: int = 1, **options: Any) -> float | None:
    return Retry(**options).pause(call, error, attempt, START)


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every random part a half."""
    monkeypatch.setattr(random, "random", lambda: 0.5)


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (errors.TransportError("x", sent=True), True, False),
        (errors.TransportError("x", sent=False), True, True),
        (errors.TransportTimeout("x", phase="connect", sent=False), True, True),
        (errors.TransportTimeout("x", phase="read", sent=True), True, False),
        (api_error(errors.RequestTimeout, 408), True, False),
        (api_error(errors.ServerError, 500), True, False),
        (api_error(errors.ServerError, 502), True, False),
        (api_error(errors.ServerError, 503), True, False),
        (api_error(errors.Throttled, 429, 5), True, True),
        (api_error(errors.Throttled, 503, 5), True, True),
        (api_error(errors.Unsupported, 503), False, False),
        (api_error(errors.Unsupported, 503, 1), False, False),
        (api_error(errors.BadRequest, 400), False, False),
        (api_error(errors.Unauthenticated, 401), False, False),
        (api_error(errors.TrialExpired, 402), False, False),
        (api_error(errors.Forbidden, 403), False, False),
        (api_error(errors.NotFound, 404), False, False),
        (api_error(errors.NotFound, 404, 1), False, False),
        (api_error(errors.Conflict, 409), False, False),
        (api_error(errors.APIError, 418), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_retry_depends_on_error_and_operation(error: errors.Cloud66Error, read: bool, write: bool) -> None:
    assert (pause(error, READ) is not None) == read
    assert (pause(error, WRITE) is not None) == write
    assert (pause(error, POP) is not None) == write


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 10, 100, 2000, 10**6])
def test_pause_is_random_up_to_a_doubling_bound(attempt: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.75)
    bound = min(60.0, 0.5 * 2 ** min(attempt - 1, 100))
    assert pause(api_error(errors.ServerError), attempt=attempt, attempts=10**9) == bound * 0.75


def test_pause_covers_its_whole_range() -> None:
    found = [pause(api_error(errors.ServerError), attempt=3) or 0.0 for _ in range(500)]
    assert 0 <= min(found) < 0.5
    assert 1.5 < max(found) <= 2.0


def test_attempts_include_the_first_one() -> None:
    assert [
        pause(api_error(errors.ServerError), attempt=attempt, attempts=3) is not None for attempt in (1, 2, 3, 4)
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert pause(errors.TransportError("x", sent=False), attempts=1) is None


def test_retry_after_is_honored() -> None:
    assert pause(api_error(errors.ServerError, retry_after=7)) == 7.0
    assert pause(api_error(errors.Throttled, retry_after=60)) == 60.0


@pytest.mark.parametrize("kind", [errors.ServerError, errors.Throttled])
@pytest.mark.parametrize("seconds", [0, -5, -(10**9)])
def test_time_that_has_passed_is_no_reason_to_retry_at_once(kind: Any, seconds: float, half: None) -> None:
    assert pause(api_error(kind, retry_after=seconds), attempt=3) == 1.0


@pytest.mark.parametrize(
    ("seconds", "options", "expected"),
    [
        (20, {}, 20.5),  # half of 5 %
        (59, {}, 59.5),  # half of what remains until max_pause
        (60, {}, 60.0),
        (1000, {"max_pause": 3600}, 1025.0),
        (3000, {"max_pause": 3600}, 3030.0),  # half of a minute
        (3000, {"max_pause": float("inf")}, 3030.0),
        (60.001, {}, None),
    ],
)
def test_pause_until_the_quota_resets_has_a_random_part(
    seconds: float, options: dict[str, Any], expected: float | None, half: None
) -> None:
    assert pause(api_error(errors.Throttled, retry_after=seconds), **options) == expected
    assert Retry(**options).pause_until(START + timedelta(seconds=seconds), START) == expected


def test_no_retry_if_retry_after_exceeds_max_pause() -> None:
    assert pause(api_error(errors.Throttled, retry_after=60.001)) is None
    assert pause(api_error(errors.ServerError, retry_after=2), max_pause=1) is None


def test_max_pause_limits_the_random_pause() -> None:
    assert all(
        (pause(api_error(errors.ServerError), attempt=20, attempts=99, max_pause=0.25) or 0) <= 0.25 for _ in range(50)
    )
    assert pause(api_error(errors.ServerError), base=0) == 0.0


# --- small values ----------------------------------------------------------------------------------


def test_seed_makes_pauses_repeatable() -> None:
    def pauses(seed: int, call: Any = READ) -> list[float | None]:
        return [pause(api_error(errors.ServerError), call, attempt, attempts=9, seed=seed) for attempt in range(1, 9)]

    assert pauses(1) == pauses(1)
    assert pauses(1) != pauses(2)
    assert pauses(1) != pauses(1, get("/y.json").bind())
    assert len(set(pauses(1))) == 8
    assert pauses(1)[0] == pytest.approx(0.0400592393)  # the same in every process and with every version


def test_hook_vetoes_a_retry_only_with_false() -> None:
    problem = api_error(errors.ServerError)
    seen: list[Any] = []
    for returned, expected in ((False, False), (True, True), (None, True)):

        def hook(*arguments: Any, returned: bool | None = returned) -> bool | None:
            seen.append(arguments)
            return returned

        assert Retry(before_retry=hook).allows(READ, problem, 2, 1.5) is expected
    assert seen == [(READ, problem, 2, 1.5)] * 3
    assert Retry().allows(READ, problem, 2, 1.5)


async def _asynchronous(*_: Any) -> bool:
    return True


class _Asynchronous:
    async def __call__(self, *_: Any) -> bool:
        return True


@pytest.mark.parametrize("hook", [_asynchronous, _Asynchronous(), "log", 1])
def test_hook_must_be_a_function_that_is_not_async(hook: Any) -> None:
    with pytest.raises(TypeError, match="invalid before_retry: expected a function that is not async"):
        Retry(before_retry=hook)


@pytest.mark.parametrize("options", [{"attempts": 0}, {"base": -1}, {"max_pause": -0.1}])
def test_invalid_options_raise_value_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Retry(**options)
