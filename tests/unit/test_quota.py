from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async import Quota, QuotaError
from cloud66_async.quota import Allowance, next_hour

from ..support import START, RecordingClock, make_response


def learn(known: Allowance, *counts: int | str) -> list[int | None]:
    return [
        known.update(make_response(x_ratelimit_remaining=str(count), x_ratelimit_limit="3600")).remaining
        for count in counts
    ]


def test_nothing_is_known_at_first() -> None:
    allowance = Allowance(RecordingClock())
    assert allowance.quota == Quota(None, None)
    assert allowance.update(make_response()) == Quota(None, None)


def test_a_response_tells_the_quota() -> None:
    allowance = Allowance(RecordingClock())
    assert learn(allowance, 3599) == [3599]
    assert allowance.quota == Quota(3600, 3599)


def test_responses_that_overtake_each_other_do_not_raise_the_count() -> None:
    allowance = Allowance(RecordingClock(), in_flight=32)
    assert learn(allowance, 100, 97, 99, 98, 96, 127) == [100, 97, 97, 97, 96, 96]


def test_a_count_that_is_much_higher_is_the_next_hours() -> None:
    allowance = Allowance(RecordingClock(), in_flight=32)
    assert learn(allowance, 5, 37, 38, 3599, 3598) == [5, 5, 38, 3599, 3598]


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "²", "9" * 30, "9" * 10_000, " 5"])
def test_a_header_that_is_no_count_changes_nothing(value: str) -> None:
    allowance = Allowance(RecordingClock())
    learn(allowance, 50)
    assert allowance.update(make_response(x_ratelimit_remaining=value)) == Quota(3600, 50)


def test_the_limit_is_read_when_it_comes_and_when_an_hour_begins() -> None:
    allowance = Allowance(RecordingClock())
    allowance.update(make_response(x_ratelimit_remaining="99"))
    assert allowance.quota == Quota(None, 99)
    assert allowance.update(make_response(x_ratelimit_remaining="98", x_ratelimit_limit="3000")) == Quota(3000, 98)
    assert allowance.update(make_response(x_ratelimit_remaining="3599", x_ratelimit_limit="3600")) == Quota(3600, 3599)


def test_a_limit_that_is_no_count_keeps_the_one_before() -> None:
    allowance = Allowance(RecordingClock())
    learn(allowance, 50)
    for value in ("", "x", "9" * 10_000):
        allowance.update(make_response(x_ratelimit_remaining="49", x_ratelimit_limit=value))
    assert allowance.quota == Quota(3600, 49)
    assert allowance.update(make_response(x_ratelimit_remaining="48")) == Quota(3600, 48)


def test_without_a_reserve_nothing_is_refused() -> None:
    allowance = Allowance(RecordingClock())
    learn(allowance, 0)
    allowance.check()


def test_what_is_reserved_is_refused_until_the_hour_ends() -> None:
    clock = RecordingClock()
    allowance = Allowance(clock, reserve=10)
    allowance.check()
    learn(allowance, 11)
    allowance.check()
    learn(allowance, 10)
    with pytest.raises(QuotaError, match="10 requests remain until 10:00 UTC, and 10 are reserved") as caught:
        allowance.check()
    assert caught.value.retry_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    clock.time += timedelta(minutes=47, seconds=29)
    with pytest.raises(QuotaError):
        allowance.check()
    clock.time += timedelta(seconds=1)
    allowance.check()


def test_a_reserve_of_none_left_refuses_only_at_the_end() -> None:
    allowance = Allowance(RecordingClock(), reserve=0)
    learn(allowance, 1)
    allowance.check()
    learn(allowance, 0)
    with pytest.raises(QuotaError):
        allowance.check()


@pytest.mark.parametrize(
    ("now", "hour"),
    [
        (START, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 11, tzinfo=UTC)),
    ],
)
def test_the_next_hour(now: datetime, hour: datetime) -> None:
    assert next_hour(now) == hour
