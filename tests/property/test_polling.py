"""The rule for pauses, for all input."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from cloud66_async import Polling

ages = st.floats(0, 1e7)
costs = st.integers(0, 10_000)
lefts = st.integers(0, 100_000)
hours = st.floats(0, 3600)
durations = st.lists(st.floats(0, 1e5), max_size=30)
pollings = st.builds(
    Polling,
    share=st.floats(0.01, 1),
    learn=st.booleans(),
    min_pause=st.floats(0.1, 60),
    max_pause=st.floats(60, 3600),
    growth=st.floats(0, 1000),
)


@given(pollings, ages, costs, st.none() | lefts, st.integers(0, 1000), hours, durations)
def test_pause_is_finite_and_never_shorter_than_the_minimum(
    polling: Polling, age: float, cost: int, left: int | None, owed: int, hour_left: float, known: list[float]
) -> None:
    pause = polling.pause(age, cost, left, owed, hour_left, known=known)
    assert math.isfinite(pause)
    assert pause >= polling.min_pause


@given(pollings, ages, costs, lefts, st.integers(0, 1000), hours)
def test_pause_ends_soon_after_the_quota_resets(
    polling: Polling, age: float, cost: int, left: int, owed: int, hour_left: float
) -> None:
    longest = max(hour_left + 1, polling.pause(age, cost, None, owed, hour_left))
    assert polling.pause(age, cost, left, owed, hour_left) <= longest


@given(pollings, ages, costs, lefts, lefts, st.integers(0, 1000), hours)
def test_fewer_requests_left_never_shorten_the_pause(
    polling: Polling, age: float, cost: int, left: int, more: int, owed: int, hour_left: float
) -> None:
    fewer = polling.pause(age, cost, left, owed, hour_left)
    assert fewer >= polling.pause(age, cost, left + more, owed, hour_left)
    assert fewer >= polling.pause(age, cost, None, owed, hour_left)


@given(st.integers(1, 200), st.integers(20, 3000), st.floats(0.05, 0.95))
def test_requests_of_an_hour_are_never_used_up(cost: int, left: int, share: float) -> None:
    """While a round costs less than the share, some of the hour's requests remain, however long the wait is."""
    polling, age, start = Polling(share=share), 2.0, left
    while age < 3600:
        if cost > share * left:  # a round reads only as much
            break
        left -= cost
        age += polling.pause(age, cost, left, 0, 3600 - age)
    assert left >= (1 - share) * min(start, cost)


@pytest.mark.parametrize(
    ("age", "pause"), [(0, 5.0), (2, 5.0), (6, 6.0), (150, 30.0), (300, 42.43), (600, 60.0), (1e6, 60.0)]
)
def test_pause_grows_with_the_root_of_the_age(age: float, pause: float) -> None:
    assert Polling().pause(age, 1, None, 0, 3600) == pytest.approx(pause, abs=0.01)
    assert Polling().pause(age, 1, 3600, 0, 3600) == pytest.approx(pause, abs=0.01)


@pytest.mark.parametrize(("age", "pause"), [(2, 90.0), (200, 16.0), (216, 15.0), (396, 15.0), (397, 48.81)])
def test_known_durations_decide(age: float, pause: float) -> None:
    known = [300.0, 240.0, 360.0]
    assert Polling(learn=True).pause(age, 1, None, 0, 3600, known=known) == pytest.approx(pause, abs=0.01)
    assert Polling(learn=True).pause(age, 1, None, 0, 3600, known=known[:2]) == Polling().pause(age, 1, None, 0, 3600)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"share": 0}, ValueError, "invalid share 0: must be more than 0 and at most 1"),
        ({"share": math.nan}, ValueError, "invalid share"),
        ({"share": True}, TypeError, "invalid share: expected a number, not bool"),
        ({"results": "all"}, ValueError, "invalid results: expected 'actions' or 'list'"),
        ({"results": 1}, TypeError, "invalid results: expected a string"),
        ({"learn": 1}, TypeError, "invalid learn: expected a bool, not int"),
        ({"min_pause": 61}, ValueError, "invalid min_pause 61 or max_pause 60"),
        ({"max_pause": 3601}, ValueError, "must be more than 0 and at most 3600"),
        ({"min_pause": 0}, ValueError, "invalid min_pause 0"),
        ({"growth": -1}, ValueError, "invalid growth -1"),
        ({"growth": 10**5000}, ValueError, "invalid growth of more than 30 digits"),
    ],
)
def test_options_are_checked(options: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Polling(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
