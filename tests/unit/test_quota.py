from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async import Quota, QuotaError
from cloud66_async.quota import Allowance, next_hour

from ..support import START, RecordingClock, make_response


def update(allowance: Allowance, *counts: int | str) -> list[int | None]:
    """Update the allowance with responses that report these counts. Return what remains after each."""
    return [
        allowance.update(make_response(x_ratelimit_remaining=str(count), x_ratelimit_limit="3600")).remaining
        for count in counts
    ]


def test_quota_is_unknown_before_the_first_response() -> None:
    allowance = Allowance(RecordingClock())
    assert allowance.quota == Quota(None, None)
    assert allowance.update(make_response()) == Quota(None, None)


def test_response_headers_set_the_quota() -> None:
    allowance = Allowance(RecordingClock())
    assert update(allowance, 3599) == [3599]
    assert allowance.quota == Quota(3600, 3599)


def test_out_of_order_responses_do_not_increase_the_count() -> None:
    allowance = Allowance(RecordingClock(), in_flight=32)
    assert update(allowance, 100, 97, 99, 98, 96, 127) == [100, 97, 97, 97, 96, 96]


def test_much_higher_count_starts_a_new_hour() -> None:
    allowance = Allowance(RecordingClock(), in_flight=32)
    assert update(allowance, 5, 37, 38, 3599, 3598) == [5, 5, 38, 3599, 3598]


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "²", "9" * 30, "9" * 10_000, " 5"])
def test_invalid_remaining_header_is_ignored(value: str) -> None:
    allowance = Allowance(RecordingClock())
    update(allowance, 50)
    assert allowance.update(make_response(x_ratelimit_remaining=value)) == Quota(3600, 50)


def test_limit_is_updated_if_received_and_in_a_new_hour() -> None:
    allowance = Allowance(RecordingClock())
    allowance.update(make_response(x_ratelimit_remaining="99"))
    assert allowance.quota == Quota(None, 99)
    assert allowance.update(make_response(x_ratelimit_remaining="98", x_ratelimit_limit="3000")) == Quota(3000, 98)
    assert allowance.update(make_response(x_ratelimit_remaining="3599", x_ratelimit_limit="3600")) == Quota(3600, 3599)


def test_invalid_limit_header_keeps_the_previous_limit() -> None:
    allowance = Allowance(RecordingClock())
    update(allowance, 50)
    for value in ("", "x", "9" * 10_000):
        allowance.update(make_response(x_ratelimit_remaining="49", x_ratelimit_limit=value))
    assert allowance.quota == Quota(3600, 49)
    assert allowance.update(make_response(x_ratelimit_remaining="48")) == Quota(3600, 48)


def test_check_passes_without_a_reserve() -> None:
    allowance = Allowance(RecordingClock())
    update(allowance, 0)
    allowance.check()


def test_check_raises_for_reserved_requests_until_the_next_hour() -> None:
    clock = RecordingClock()
    allowance = Allowance(clock, reserve=10)
    allowance.check()
    update(allowance, 11)
    allowance.check()
    update(allowance, 10)
    with pytest.raises(QuotaError, match="10 requests remain until 10:00 UTC, and 10 are reserved") as caught:
        allowance.check()
    assert caught.value.retry_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    clock.time += timedelta(minutes=47, seconds=29)
    with pytest.raises(QuotaError):
        allowance.check()
    clock.time += timedelta(seconds=1)
    allowance.check()


def test_reserve_of_zero_raises_only_if_quota_is_exhausted() -> None:
    allowance = Allowance(RecordingClock(), reserve=0)
    update(allowance, 1)
    allowance.check()
    update(allowance, 0)
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
def test_next_hour_is_the_next_full_hour(now: datetime, hour: datetime) -> None:
    assert next_hour(now) == hour
