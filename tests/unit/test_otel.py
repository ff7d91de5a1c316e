"""Spans and metrics, recorded by the OpenTelemetry SDK."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from cloud66_async import Cloud66, ConfigError, NotFound, Retry, TransportError
from cloud66_async.clock import SystemClock
from cloud66_async.integrations.otel import OtelObserver
from cloud66_async.operation import post
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from ..conftest import PoolName
from ..support import ONCE, SECRET, TOKEN, Script, client, make_error, make_response

QUICK = Retry(attempts=2, base=0)
CONTENT = ("application/json; charset=utf-8",)


class Telemetry:
    """The OpenTelemetry SDK with exporters in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def observer(self, url: str | None = None) -> OtelObserver:
        return OtelObserver(url=url, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by name."""
        data = self.reader.get_metrics_data()
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        return {metric.name: metric for metric in scope.metrics}

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the attributes and the value or count of each point of a metric."""
        points = self.metrics[name].data.data_points
        return [(dict(point.attributes), getattr(point, "count", None) or point.value) for point in points]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    found = Telemetry()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()


@pytest.fixture
def fake() -> FakeCloud66:
    return FakeCloud66(clock=SystemClock())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_each_attempt_is_a_span(transport: PoolName, telemetry: Telemetry, fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    fake.faults.fail(503, times=1)
    before = time.time_ns()
    with SandboxServer(fake) as server:
        options: dict[str, Any] = {"url": server.url, "pool": transport, "retry": QUICK}
        async with Cloud66(fake.add_token(), observer=telemetry.observer(server.url), **options) as c66:
            await c66.stacks.get(stack.uid)
        port = int(server.url.rpartition(":")[2])
    failed, succeeded = telemetry.spans
    ids = [request.request_id for request in fake.requests]
    shared = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "cloud66.operation": "stacks.get",
        "cloud66.stack": stack.uid,
        "http.request.method": "GET",
        "url.template": "/api/3/stacks/{stack}.json",
        "http.response.header.content-type": CONTENT,
    }
    assert attributes(failed) == {
        **shared,
        "http.response.status_code": 503,
        "error.type": "503",
        "http.request.header.request-id": (ids[0],),
    }
    assert attributes(succeeded) == {
        **shared,
        "http.response.status_code": 200,
        "http.request.resend_count": 1,
        "http.request.header.request-id": (ids[1],),
        "http.response.header.x-ratelimit-limit": ("3600",),
        "http.response.header.x-ratelimit-remaining": ("3599",),
    }
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.status.description or "").startswith(f"503 for GET /stacks/{stack.uid}.json: ")
    assert succeeded.status.status_code is StatusCode.UNSET
    for span in telemetry.spans:
        assert (span.name, span.kind) == ("stacks.get", SpanKind.CLIENT)
        assert span.start_time is not None
        assert span.end_time is not None
        assert before < span.start_time < span.end_time <= time.time_ns()
        assert span.parent is None
        assert span.events == ()


async def test_parent_is_the_current_span(transport: PoolName, telemetry: Telemetry, fake: FakeCloud66) -> None:
    stacks = [fake.add_stack(name) for name in ("a", "b", "c")]
    tracer = telemetry.tracers.get_tracer("program")
    with SandboxServer(fake) as server:
        options: dict[str, Any] = {"url": server.url, "pool": transport, "observer": telemetry.observer()}
        async with Cloud66(fake.add_token(), **options) as c66:
            with tracer.start_as_current_span("job") as job:
                await c66.collect(c66.stacks.get, [stack.uid for stack in stacks])
    found = [span for span in telemetry.spans if span.name == "stacks.get"]
    assert len(found) == 3
    assert {span.parent and span.parent.span_id for span in found} == {job.get_span_context().span_id}
    assert {span.context and span.context.trace_id for span in found} == {job.get_span_context().trace_id}


async def test_error_type_without_a_response_is_that_of_the_error(telemetry: Telemetry) -> None:
    lost = TransportError("connection lost", sent=False)
    async with client(Script(lost), retry=ONCE, observer=telemetry.observer()) as c66:
        with pytest.raises(TransportError):
            await c66.stacks.get("a")
    [span] = telemetry.spans
    assert attributes(span)["error.type"] == "TransportError"
    assert "http.response.status_code" not in attributes(span)
    assert span.status.description == "connection lost"


async def test_cancelled_attempt_is_a_span_without_an_error_status(telemetry: Telemetry) -> None:
    async with client(Script(lambda _: asyncio.Event().wait()), observer=telemetry.observer()) as c66:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await c66.stacks.get("a")
    [span] = telemetry.spans
    assert attributes(span)["error.type"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET


async def test_requests_by_path_have_a_name_without_values(telemetry: Telemetry) -> None:
    async with client(Script(), observer=telemetry.observer("https://c66.example")) as c66:
        await c66.request("GET", "/stacks/a/unknown/b.json")
    [span] = telemetry.spans
    assert span.name == "request"
    assert "url.template" not in attributes(span)
    assert (attributes(span)["server.address"], attributes(span)["server.port"]) == ("c66.example", 443)


async def test_span_is_not_recorded_if_it_is_not_sampled(telemetry: Telemetry) -> None:
    tracers = TracerProvider(sampler=ALWAYS_OFF)
    tracers.add_span_processor(SimpleSpanProcessor(telemetry.exporter))
    observer = OtelObserver(tracer_provider=tracers, meter_provider=telemetry.meters)
    async with client(Script(), observer=observer) as c66:
        await c66.stacks.get("a")
    assert telemetry.spans == ()
    assert [count for _, count in telemetry.points("http.client.request.duration")] == [1]


# --- metrics


async def test_duration_has_the_buckets_and_attributes_of_the_conventions(
    transport: PoolName, telemetry: Telemetry, fake: FakeCloud66
) -> None:
    fake.faults.fail(503, times=1)
    stack = fake.add_stack("web")
    with SandboxServer(fake) as server:
        options: dict[str, Any] = {"url": server.url, "pool": transport, "retry": QUICK}
        async with Cloud66(fake.add_token(), observer=telemetry.observer(server.url), **options) as c66:
            await c66.stacks.get(stack.uid)
            await c66.stacks.get(stack.uid)
        port = int(server.url.rpartition(":")[2])
    metric = telemetry.metrics["http.client.request.duration"]
    assert metric.unit == "s"
    bounds = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert {tuple(point.explicit_bounds) for point in metric.data.data_points} == {bounds}
    assert all(0 < point.sum < 60 for point in metric.data.data_points)
    shared = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "cloud66.operation": "stacks.get",
        "http.request.method": "GET",
        "url.template": "/api/3/stacks/{stack}.json",
    }
    failed = {**shared, "http.response.status_code": 503, "error.type": "503"}
    points = telemetry.points("http.client.request.duration")
    assert sorted(points, key=lambda point: point[1]) == [
        (failed, 1),
        ({**shared, "http.response.status_code": 200}, 2),
    ]
    assert telemetry.points("cloud66.client.retries") == [(failed, 1)]


async def test_final_failure_is_not_a_retry(telemetry: Telemetry) -> None:
    async with client(Script(make_error(503)), observer=telemetry.observer(), retry=Retry(attempts=3, base=0)) as c66:
        await c66.collect(c66.stacks.get, ["a"])
    assert [count for _, count in telemetry.points("http.client.request.duration")] == [3]
    assert [count for _, count in telemetry.points("cloud66.client.retries")] == [2]


async def test_remaining_quota_is_that_of_the_latest_response(telemetry: Telemetry) -> None:
    replies = [make_response({"response": {"uid": "a"}}, x_ratelimit_remaining=str(count)) for count in (10, 9)]
    async with client(Script(*replies, make_error(503)), observer=telemetry.observer(), retry=ONCE) as c66:
        await c66.collect(c66.stacks.get, ["a", "a", "a"], limit=1)
    server = {"server.address": "app.cloud66.com", "server.port": 443}
    assert telemetry.points("cloud66.client.quota.remaining") == [(server, 9)]


# --- what is not recorded, and settings


async def test_no_secret_is_recorded(telemetry: Telemetry) -> None:
    operation = post("/devices/{token:secret}/{stack}.json", body={"value": str})
    reply = make_error(404, f"no {TOKEN}", x_request_id=TOKEN, set_cookie=SECRET)
    async with client(Script(reply), observer=telemetry.observer(), retry=ONCE) as c66:
        with pytest.raises(NotFound):
            await c66.send(operation.bind(token=SECRET, stack="a", value=SECRET))
        with pytest.raises(NotFound):
            await c66.request("POST", "/things.json", json={"a": SECRET}, query={"b": SECRET})
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    text = data.to_json() + "".join(span.to_json() for span in telemetry.spans)
    assert "404 for POST /devices/{token}/a.json: no ********" in text
    assert TOKEN not in text
    assert SECRET not in text


async def test_default_providers_are_the_global_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD66_URL", "https://c66.example:8443/api/3")
    observer = OtelObserver()
    assert observer._server == {"server.address": "c66.example", "server.port": 8443}
    async with client(Script(), observer=observer) as c66:
        await c66.stacks.get("a")


async def test_providers_that_do_nothing(telemetry: Telemetry) -> None:
    observer = OtelObserver(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    async with client(Script(), observer=observer) as c66:
        await c66.stacks.get("a")
    assert telemetry.spans == ()


def test_invalid_url_is_rejected() -> None:
    with pytest.raises(ConfigError, match="expected a URL like"):
        OtelObserver(url="ftp://c66.example")


def test_missing_package_is_named() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try:\n    import cloud66_async.integrations.otel\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ("missing package 'opentelemetry-api'; install it with pip install \"cloud66-async[otel]\"\n")
