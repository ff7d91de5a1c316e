"""The three meanings of status 503, over a socket: throttled, not implemented, and an outage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from cloud66_async import APIError, Cloud66, ServerError, Throttled, Unsupported
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from ..conftest import PoolName
from ..support import ONCE, START, RecordingClock, packet, wire

HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)
NGINX = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service "
    b"Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
PAGE = (
    b"<!doctype html><title>%b</title><style>.throttled{}</style><h1>%b</h1><script>let a = 'not_implemented'</script>"
)
LONG = PAGE % (b"Maintenance", b"Back soon " * 2000 + b"throttled")
JSON, HTML, TEXT = "Content-Type: application/json", "Content-Type: text/html", "Content-Type: text/plain"
EXHAUSTED, REMAINING = "X-RateLimit-Remaining: 0", "X-RateLimit-Remaining: 12"
CHALLENGE = 'WWW-Authenticate: Bearer error="throttled"'

# The headers, the body, and what they mean.
RESPONSES: dict[str, tuple[list[str], bytes, type[APIError]]] = {
    "code throttled": ([JSON], b'{"error":"throttled","error_description":"Rate limit reached"}', Throttled),
    "code in capitals": ([JSON], b'{"error":"THROTTLED"}', Throttled),
    "description": ([JSON], b'{"error_description":"Request was throttled."}', Throttled),
    "details": ([JSON], b'{"details":"You are throttled until the next hour"}', Throttled),
    "other field": ([JSON], b'{"message":"throttled"}', Throttled),
    "nested code": ([JSON], b'{"errors":[{"code":"throttled"}]}', Throttled),
    "JSON string": ([JSON], b'"throttled"', Throttled),
    "code as text": ([TEXT], b"throttled\n", Throttled),
    "sentence": ([TEXT], b"Your requests have been Throttled", Throttled),
    "page about throttling": ([HTML], PAGE % (b"Throttled", b"Too many requests"), Throttled),
    "code in a header": ([CHALLENGE], b"", Throttled),
    "exhausted quota, no body": ([EXHAUSTED], b"", Throttled),
    "exhausted quota, web page": ([HTML, EXHAUSTED], NGINX, Throttled),
    "wrong content type": ([HTML], b'{"error":"throttled"}', Throttled),
    "code not_implemented": ([JSON], b'{"error":"not_implemented"}', Unsupported),
    "text of not_implemented": ([JSON], b'{"details":"Not implemented in this version"}', Unsupported),
    "not implemented as text": ([TEXT], b"Not Implemented", Unsupported),
    "page about not implemented": ([HTML], PAGE % (b"Not implemented", b"Sorry"), Unsupported),
    "not implemented, exhausted quota": ([JSON, EXHAUSTED], b'{"error":"not_implemented"}', Unsupported),
    "no body": ([], b"", ServerError),
    "remaining quota": ([REMAINING], b"", ServerError),
    "page of a proxy": ([HTML], NGINX, ServerError),
    "page with styles and scripts": ([HTML], PAGE % (b"Maintenance", b"Back soon"), ServerError),
    "long page": ([HTML], LONG, ServerError),
    "comment": ([HTML], b"<!-- throttled by the load balancer --><h1>Maintenance</h1>", ServerError),
    "script without end": ([HTML], b"<h1>Maintenance</h1><script>'throttled'", ServerError),
    "other code": ([JSON], b'{"error":"maintenance","message":"throttled"}', ServerError),
    "other word": ([TEXT], b"unthrottled", ServerError),
    "text of an outage": ([TEXT], b"upstream connect error", ServerError),
    "truncated JSON": ([JSON], b'{"error":"mainten', ServerError),
    "no text": ([TEXT], b"\xff\xfe\x00throttle", ServerError),
}


@pytest.mark.parametrize(("headers", "body", "kind"), RESPONSES.values(), ids=RESPONSES)
async def test_meaning_of_a_503(headers: list[str], body: bytes, kind: type[APIError], transport: PoolName) -> None:
    async with (
        wire(lambda _: packet(body, "503 Service Unavailable", *headers)) as server,
        Cloud66("t", url=server.url, pool=transport, retry=ONCE, clock=RecordingClock()) as c66,
    ):
        with pytest.raises(APIError) as caught:
            await c66.stacks.get("a")
    assert type(caught.value) is kind
    assert caught.value.status == 503
    assert caught.value.retry_at == (HOUR if kind is Throttled else None)


@pytest.mark.parametrize(("headers", "body", "kind"), RESPONSES.values(), ids=RESPONSES)
async def test_retries_after_a_503(headers: list[str], body: bytes, kind: type[APIError]) -> None:
    clock = RecordingClock()
    clock.time = HOUR.replace(hour=9, minute=59, second=30)
    async with (
        wire(lambda _: packet(body, "503 Service Unavailable", *headers)) as server,
        Cloud66("t", url=server.url, clock=clock) as c66,
    ):
        with pytest.raises(APIError):
            await c66.stacks.get("a")
        requests = len(server.received)
    if kind is Unsupported:
        assert (requests, clock.slept) == (1, [])
    elif kind is Throttled:
        assert requests == 2  # the quota of the next hour is exhausted as well
        assert 30 <= clock.slept[0] <= 31.5
    else:
        assert requests == 4
        assert max(clock.slept) <= 2


@pytest.mark.parametrize("status", ["501 Not Implemented", "429 Too Many Requests", "504 Gateway Timeout"])
async def test_other_statuses_do_not_depend_on_the_body(status: str) -> None:
    kinds = {"501": Unsupported, "429": Throttled, "504": ServerError}
    async with (
        wire(lambda _: packet(b'{"error":"throttled"}', status)) as server,
        Cloud66("t", url=server.url, retry=ONCE, clock=RecordingClock()) as c66,
    ):
        with pytest.raises(APIError) as caught:
            await c66.stacks.get("a")
    assert type(caught.value) is kinds[status[:3]]


SANDBOX: dict[str, tuple[Callable[[FakeCloud66], None], type[APIError]]] = {
    "throttle": (lambda fake: fake.faults.throttle(), Throttled),
    "throttle_until_next_hour": (lambda fake: fake.faults.throttle_until_next_hour(), Throttled),
    "fail": (lambda fake: fake.faults.fail(503), ServerError),
    "fail with a code": (lambda fake: fake.faults.fail(503, body=b'{"error":"not_implemented"}'), Unsupported),
    "html": (lambda fake: fake.faults.html(status=503), ServerError),
}


@pytest.mark.parametrize(("inject", "kind"), SANDBOX.values(), ids=SANDBOX)
async def test_meaning_of_a_503_of_the_sandbox(
    inject: Callable[[FakeCloud66], None], kind: type[APIError], transport: PoolName
) -> None:
    with SandboxServer() as server:
        (stack,) = server.fake.seed(1)
        inject(server.fake)
        async with Cloud66(server.fake.add_token(), url=server.url, pool=transport, retry=ONCE) as c66:
            with pytest.raises(APIError) as caught:
                await c66.stacks.get(stack.uid)
    assert type(caught.value) is kind
    assert caught.value.status == 503


# --- absurd Retry-After ----------------------------------------------------------------------------


ABSURD = [
    "-1", "-99999999999", "1" + "0" * 30, "9" * 5000, "nan", "NaN", "inf", "1e9", "0x10", "1_000", "soon", "²", "٣",
    "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 1900 00:00:00 GMT", "Thu, 32 Foo 2026 99:99:99 GMT", "", ",", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("value", [each for each in ABSURD if each.isascii() and each.isprintable()])
@pytest.mark.parametrize("status", ["500 Error", "503 Service Unavailable", "429 Too Many Requests"])
async def test_absurd_retry_after_neither_breaks_nor_delays(value: str, status: str) -> None:
    clock = RecordingClock()
    async with (
        wire(lambda _: packet(b"", status, f"Retry-After: {value}")) as server,
        Cloud66("t", url=server.url, clock=clock) as c66,
    ):
        with pytest.raises(APIError) as caught:
            await c66.stacks.get("a")
        assert len(server.received) == (1 if status.startswith("429") else 4)
    assert caught.value.retry_at == (HOUR if isinstance(caught.value, Throttled) else None)
    assert all(0 <= pause <= 2 for pause in clock.slept)
    assert (clock.time - START).total_seconds() < 10
