"""OpenTelemetry spans and metrics for each attempt of a call.

Requires the extra `otel`. Names and values follow the semantic conventions of OpenTelemetry for HTTP clients, which are
stable since version 1.23::

    c66 = Cloud66(observer=OtelObserver())
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .._core.text import clean
from .._version import __version__
from ..config import Address
from ..errors import APIError

try:
    from opentelemetry.metrics import get_meter
    from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ImportError(
        "missing package 'opentelemetry-api'; install it with pip install \"cloud66-async[otel]\""
    ) from None

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..observe import Attempt

__all__ = ["OtelObserver"]

_NAME = "cloud66_async"
_SCHEMA = "https://opentelemetry.io/schemas/1.26.0"
# Upper bounds in seconds, as the conventions advise.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class OtelObserver:
    """Observer that records one client span for each attempt, and metrics. Pass it as `Cloud66(observer=...)`.

    A span has the name of the operation, such as `stacks.get`, and the current span as its parent. The metrics are
    `http.client.request.duration`, `cloud66.client.retries` and `cloud66.client.quota.remaining`.

    Args:
        url: URL of Cloud 66 or of the API, as in `Cloud66(url=...)`, for `server.address` and `server.port`.
        tracer_provider: Provider of the tracer. The default is the global one.
        meter_provider: Provider of the meter. The default is the global one.

    Raises ConfigError if the URL is invalid.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        address = Address.parse(url)
        self._root = address.api_path
        self._server: dict[str, str | int] = {
            "server.address": address.origin.host,
            "server.port": address.origin.port,
        }
        self._tracer = get_tracer(_NAME, __version__, tracer_provider, _SCHEMA)
        meter = get_meter(_NAME, __version__, meter_provider, _SCHEMA)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._retries = meter.create_counter(
            "cloud66.client.retries", unit="{retry}", description="Failed attempts that are followed by a retry."
        )
        self._quota = meter.create_gauge(
            "cloud66.client.quota.remaining",
            unit="{request}",
            description="Requests left this hour, for the token of the latest response.",
        )

    def __call__(self, attempt: Attempt) -> None:
        """Record an attempt that has just ended."""
        shared = self._attributes(attempt)
        self._record_span(attempt, shared)
        self._duration.record(attempt.seconds, shared)
        if attempt.pause is not None:
            self._retries.add(1, shared)
        remaining = attempt.headers.get("x-ratelimit-remaining")
        if remaining is not None:
            self._quota.set(int(remaining), self._server)

    def _attributes(self, attempt: Attempt) -> dict[str, str | int]:
        """Return the attributes that spans and metrics share. They have few different values."""
        found = {**self._server, "cloud66.operation": attempt.operation, "http.request.method": attempt.method}
        if attempt.path:
            found["url.template"] = self._root + attempt.path
        if attempt.status is not None:
            found["http.response.status_code"] = attempt.status
        error = attempt.error
        if error is not None:
            found["error.type"] = str(error.status) if isinstance(error, APIError) else type(error).__qualname__
        elif attempt.cancelled:
            found["error.type"] = "cancelled"
        return found

    def _record_span(self, attempt: Attempt, shared: dict[str, str | int]) -> None:
        end = time.time_ns()
        span = self._tracer.start_span(
            attempt.operation,
            kind=SpanKind.CLIENT,
            attributes=shared,
            start_time=end - int(attempt.seconds * 1e9),
        )
        if span.is_recording():
            span.set_attribute("http.request.header.request-id", [attempt.request_id])
            if attempt.number > 1:
                span.set_attribute("http.request.resend_count", attempt.number - 1)
            if attempt.stack is not None:
                span.set_attribute("cloud66.stack", clean(attempt.stack))
            for name, value in attempt.headers.items():
                span.set_attribute(f"http.response.header.{name}", [value])
            if attempt.error is not None:
                span.set_status(Status(StatusCode.ERROR, clean(str(attempt.error))))
        span.end(end)
