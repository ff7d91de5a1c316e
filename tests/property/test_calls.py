from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import hypothesis.strategies as st
from hypothesis import given

from cloud66_async import Retry, errors
from cloud66_async._core import wire
from cloud66_async.operation import get
from cloud66_async.quota import Allowance

from ..support import START, RecordingClock, make_response

READ = get("/stacks/{stack}/things/{thing}.json", query={"q": str | None, "r": str | None})
texts = st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"]))
HEADERS = ["x-ratelimit-remaining", "x-ratelimit-limit", "retry-after", "www-authenticate"]


@given(texts, texts)
def test_path_values_survive_as_one_segment_each(stack: str, thing: str) -> None:
    target = wire.target("/api/3", READ.bind(stack=stack, thing=thing))
    assert target.isascii()
    assert target.isprintable()
    parts = target.split("/")
    assert len(parts) == 7
    assert unquote(parts[4]) == stack
    assert unquote(parts[6].removesuffix(".json")) == thing
    assert not any(part.strip(".") == "" for part in parts[1:])
    assert urlsplit(target).path == target


@given(texts, st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 10**9))
def test_query_values_survive(q: str, r: str, page: int) -> None:
    target = wire.target("", READ.bind(stack="a", thing="b", q=q, r=r).page(page))
    assert target.isascii()
    assert " " not in target
    assert parse_qsl(urlsplit(target).query, keep_blank_values=True) == [("q", q), ("r", r), ("page", str(page))]


@given(
    st.integers(300, 999),
    st.binary(max_size=80)
    | st.sampled_from([b'{"error":"throttled"}', b'{"error":"not_implemented"}', b"<html>", b"{", b"[" * 5000]),
    st.dictionaries(st.sampled_from(HEADERS), st.text(alphabet=st.characters(max_codepoint=255), max_size=30)),
)
def test_error_response_is_an_api_error_on_one_line(status: int, body: bytes, headers: dict[str, str]) -> None:
    response = make_response(body, status, **headers)
    Allowance(RecordingClock(), reserve=1).update(response)
    found = wire.error(READ.bind(stack="a", thing="b"), response, "r-1", START)
    assert isinstance(found, errors.APIError)
    assert len(str(found).splitlines()) == 1
    assert found.retry_at is None or found.retry_at.tzinfo is not None
    Retry(attempts=9).pause(READ.bind(stack="a", thing="b"), found, 1, START)


@given(
    st.floats(0, 100), st.floats(0, 1000), st.integers(1, 5000), st.integers(1, 5000), st.none() | st.floats(-1e6, 1e6)
)
def test_pause_is_within_its_bounds(
    base: float, max_pause: float, attempts: int, attempt: int, after: float | None
) -> None:
    error = errors.ServerError("x", status=500)
    wait = None if after is None else timedelta(seconds=after)
    error.retry_at = None if wait is None else START + wait
    retry = Retry(attempts=attempts, base=base, max_pause=max_pause)
    pause = retry.pause(READ.bind(stack="a", thing="b"), error, attempt, START)
    if attempt >= attempts:
        assert pause is None
    elif wait is None:
        assert pause is not None
        assert 0 <= pause <= min(max_pause, base * 2.0 ** min(attempt - 1, 60))
    else:
        assert pause is None or 0 <= pause <= max_pause
        assert (pause is None) == (max(0.0, wait.total_seconds()) > max_pause)


@given(st.lists(st.integers(0, 4000), max_size=30), st.integers(1, 64))
def test_remaining_quota_rises_only_after_a_reset(counts: list[int], in_flight: int) -> None:
    allowance = Allowance(RecordingClock(), in_flight=in_flight)
    before: int | None = None
    for count in counts:
        now = allowance.update(make_response(x_ratelimit_remaining=str(count))).remaining
        assert now is not None
        assert now in (before, count)
        assert before is None or now <= before or now > before + in_flight
        assert now <= count or before == now
        before = now
