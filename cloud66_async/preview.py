"""Preview: the request that a method would send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import iscoroutine
from typing import Any, NoReturn, cast

import attrs
import msgspec

from ._core import wire
from ._core.model import plain
from .clock import SystemClock
from .operation import Call
from .pager import Pager
from .resources._resource import Resource
from .retry import Retry

__all__ = ["Preview", "preview"]


@attrs.frozen(kw_only=True)
class Preview:
    """A request that was not sent.

    `body` is JSON-ready, with secrets masked. `scope` is the scope that the documentation requires, and `asynchronous`
    tells whether the operation starts an action.
    """

    method: str
    url: str
    body: Any = None
    scope: str | None = None
    asynchronous: bool = False

    def __str__(self) -> str:
        lines = [f"{self.method} {self.url}"]
        if self.scope is not None:
            lines.append(f"scope: {self.scope}")
        if self.body is not None:
            lines.append(msgspec.json.format(msgspec.json.encode(self.body), indent=2).decode())
        return "\n".join(lines)


class _Captured(BaseException):
    """Ends a method at its first request. Not an Exception, so that methods do not handle it."""

    def __init__(self, call: Call[Any]) -> None:
        super().__init__()
        self.call = call


class _Recorder:
    """Takes the place of a sender."""

    retry = Retry(attempts=1)
    clock = SystemClock()
    limit = 1

    @property
    def fresh(self) -> _Recorder:
        return self

    async def send(self, call: Call[Any]) -> NoReturn:
        raise _Captured(call)


def preview(
    method: Callable[..., object], arguments: tuple[Any, ...], options: Mapping[str, Any], *, url: str
) -> Preview:
    """Return the first request that a method of a resource would send to the API at `url`.

    Raises TypeError if it is not such a method, and ValueError if it sends nothing before it waits for something else.
    """
    call = _first_call(method, arguments, options)
    return Preview(
        method=call.operation.method,
        url=str(wire.target(url, call)),  # without the redaction of its `repr()`: it is what the user asks for
        body=plain(call.body),
        scope=call.operation.scope,
        asynchronous=call.operation.asynchronous,
    )


def _first_call(method: Callable[..., object], arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Call[Any]:
    owner = getattr(method, "__self__", None)
    if not isinstance(owner, Resource):
        raise TypeError("preview expects a method of a resource, such as c66.stacks.redeploy")
    resource = type(owner)(cast("Any", _Recorder()))
    result: Any = getattr(resource, method.__name__)(*arguments, **options)
    if isinstance(result, Pager):
        result = cast("Any", result).page(1)
    if iscoroutine(result):
        try:
            result.send(None)
        except _Captured as captured:
            return captured.call
        except StopIteration:
            pass
        finally:
            result.close()
    raise ValueError(f"{method.__name__} sends no request of its own; preview the methods that it combines")
