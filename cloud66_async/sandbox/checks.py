"""RequestLog: what the sandbox received, and assertions about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from ..secret import MASK, Secret
from .description import secret_names, shown_target
from .faults import Faults
from .message import Request
from .names import check_names, is_write, known_operations, suggestion
from .recorder import RecordedRequest, Recorder
from .routes import Match
from .stack import FakeStack

__all__ = ["RequestLog", "UnexpectedRequest"]

_MAX_LISTED = 20


class UnexpectedRequest(AssertionError):
    """A request that a strict sandbox rejects."""


class RequestLog:
    """The requests that a sandbox received, and assertions about them."""

    def __init__(self, faults: Faults, *, strict: bool = False) -> None:
        self.faults: Faults = faults
        self._recorder = Recorder()
        self._strict = strict
        self._expected: dict[str, bool] = {}  # announced writes, and whether they must happen
        self._unexpected: list[str] = []

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The latest requests, up to 10,000, the oldest first."""
        return self._recorder.requests

    def requests_to(self, operation: str) -> tuple[RecordedRequest, ...]:
        """Return the latest requests to one operation. Raises ValueError if there is no such operation."""
        check_names([operation])
        return tuple(request for request in self.requests if operation in request.operations)

    def calls(self, operation: str | None = None) -> int:
        """Return the number of requests: all, or those of one operation such as `stacks.get` or `oauth.token`.

        Raises ValueError if there is no such operation.
        """
        if operation is not None:
            check_names([operation])
        return self._recorder.calls(operation)

    def assert_called(self, operation: str, /, *, times: int | None = None, **parameters: object) -> None:
        """Raise AssertionError unless there was such a request, or `times` of them.

        `parameters` are those of the operation, by the names of the API. Only requests with these values count; None
        means that the request does not have the parameter, and a `FakeStack` stands for its uid. Raises ValueError for
        a name that does not exist.
        """
        found = self._find(operation, parameters)
        if (times is None and not found) or (times is not None and len(found) != times):
            expected = "a request" if times is None else _count(times)
            raise AssertionError(self._mismatch(expected, operation, parameters, found))

    def assert_not_called(self, operation: str, /, **parameters: object) -> None:
        """Raise AssertionError if there was such a request. The parameters are those of `assert_called`."""
        found = self._find(operation, parameters)
        if found:
            raise AssertionError(self._mismatch("no request", operation, parameters, found))

    def assert_no_writes(self) -> None:
        """Raise AssertionError if there was a request to the API other than GET."""
        writes = [request for request in self.requests if request.is_write]
        if writes:
            raise AssertionError(f"expected no writes, found {len(writes)}:\n{_lines(writes)}")

    def expect_writes(self, *operations: str, allow_unused: bool = False) -> None:
        """Announce requests to these operations, which may change something. A strict sandbox accepts them.

        `verify()` fails if one of them is not requested, unless `allow_unused` is true. Raises ValueError for a name
        that no operation has.
        """
        check_names(operations)
        for operation in operations:
            self._expected[operation] = not allow_unused

    def verify(self) -> None:
        """Raise AssertionError if the sandbox did not receive the requests that the test announced, and no others.

        These are requests that a strict sandbox rejected, writes of `expect_writes` that did not happen, and requests
        that fault rules were added for.
        """
        if self._unexpected:
            raise AssertionError("unexpected requests:\n" + "\n".join(f"  {line}" for line in self._unexpected))
        missing = [name for name, required in self._expected.items() if required and not self.calls(name)]
        if missing:
            raise AssertionError(self._missing(missing))
        self.faults.assert_used()

    def describe_calls(self, *, last: int = 10) -> str:
        """Return the latest requests, one per line, and the seed of the fault rules if it matters."""
        latest = self.requests[-last:] if last > 0 else ()
        lines = [f"{_count(self.calls())} to the sandbox, the last {len(latest)}:" if latest else "no requests"]
        lines += (f"  {request.time:%Y-%m-%d %H:%M:%S}  {request}" for request in latest)
        unused = self.faults.unused()
        if unused:
            lines.append(f"fault rules that never applied: {', '.join(unused)}")
        if self.faults.seed_in_use is not None:
            lines.append(f"seed of the fault rules: {self.faults.seed_in_use}")
        return "\n".join(lines)

    def _reject_unexpected(self, request: Request, match: Match | None, operations: tuple[str, ...] | None) -> None:
        """Raise UnexpectedRequest if the sandbox is strict and the test did not expect such a request.

        `operations` is None for pages that do not belong to the API.
        """
        if not self._strict or operations is None:
            return
        place = f"{request.method} {shown_target(request, match)}"
        if not operations:
            problem = f"{place}: no operation has this method and path; correct the request"
        elif is_write(request.method, operations) and self._expected.keys().isdisjoint(operations):
            name = operations[0]
            problem = f"{name} ({place}): a write that was not expected; call expect_writes({name!r}) first"
        else:
            return
        self._unexpected.append(problem)
        raise UnexpectedRequest(problem)

    def _find(self, operation: str, parameters: Mapping[str, object]) -> list[RecordedRequest]:
        _check_parameters(operation, parameters)
        plain = {name: _plain(value) for name, value in parameters.items()}
        return [request for request in self.requests_to(operation) if _matches(request, plain)]

    def _missing(self, operations: list[str]) -> str:
        """Return the message for announced writes that did not happen, with the requests that were received instead."""
        message = (
            f"expected writes that never happened: {', '.join(operations)}; correct the test or the code, or pass "
            "allow_unused=True to expect_writes"
        )
        return f"{message}\nrequests:\n{_lines([*self.requests])}" if self.requests else f"{message}; no requests"

    def _mismatch(
        self, expected: str, operation: str, parameters: Mapping[str, object], found: list[RecordedRequest]
    ) -> str:
        """Return the message of a failed assertion, with the requests that were received instead."""
        shown = _shown(operation, parameters)
        same = [request for request in self.requests_to(operation) if request not in found]
        message = f"expected {expected} to {operation}{shown}, found {len(found)}"
        if found:
            message += f":\n{_lines(found)}"
        if same:
            message += f"\nrequests to {operation} with other parameters:\n{_lines(same)}"
        others = [request for request in self.requests if operation not in request.operations]
        if others:
            message += f"\nother requests:\n{_lines(others)}"
        return message if self.requests else f"{message}; there were no requests"


def _check_parameters(operation: str, names: Iterable[str]) -> None:
    check_names([operation])
    known = known_operations()[operation]
    if known is None:
        return
    declared = {*known.names, *known.query, *known.body, "page"}
    for name in names:
        if name not in declared:
            raise ValueError(f"unknown parameter {name!r} of {operation}: {suggestion(name, declared)}")


def _matches(request: RecordedRequest, parameters: Mapping[str, object]) -> bool:
    return all(_equal(request.parameters.get(name), value) for name, value in parameters.items())


def _plain(value: object) -> object:
    return value.uid if isinstance(value, FakeStack) else value


def _equal(logged: object, value: object) -> bool:
    if isinstance(logged, Secret) and isinstance(value, str):
        return logged == Secret(value)
    if isinstance(logged, list) and isinstance(value, tuple):
        return logged == list(cast("tuple[object, ...]", value))
    return logged == value


def _shown(operation: str, parameters: Mapping[str, object]) -> str:
    """Return the parameters of an assertion as text. The values of secrets are masked."""
    if not parameters:
        return ""
    known = known_operations()[operation]
    secret = set[str]() if known is None else secret_names(known)
    pairs = (f"{name}={MASK if name in secret else repr(_plain(value))}" for name, value in parameters.items())
    return f" with {', '.join(pairs)}"


def _count(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"


def _lines(requests: list[RecordedRequest]) -> str:
    lines = [f"  {request}" for request in requests[-_MAX_LISTED:]]
    if len(requests) > _MAX_LISTED:
        lines.insert(0, f"  ({len(requests) - _MAX_LISTED} earlier ones)")
    return "\n".join(lines)
