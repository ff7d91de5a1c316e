"""The command `api`: requests for which there is no other command."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import parse_qsl, quote, urlsplit

from cyclopts import Parameter

from ...client import Cloud66
from ...errors import APIError, ResponseError
from ..exits import USAGE, CommandError
from ..options import DEFAULT_ACCESS, Access
from ..running import run
from ..terminal.console import is_terminal, plain, print_line, warn

__all__ = ["api"]

_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE")
_PREFIX = "/api/3/"
_SAFE = "/%!$&'()*+,;=:@"
_INTEGER = re.compile(r"-?\d{1,15}")
_LITERALS: Mapping[str, object] = {"true": True, "false": False, "null": None}
_HIDDEN = ("set-cookie",)
_MAX_LINE = 1_000_000


class _Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    body: Any


def api(
    method: Annotated[str, Parameter(help="GET, HEAD, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, Parameter(help="Path below the root of the API, for example /stacks.json.")],
    /,
    *,
    field: Annotated[
        list[str] | None,
        Parameter(
            name=["--field", "-F"],
            negative="",
            help="Parameter as name=value; may be repeated. With GET it belongs to the query, otherwise to the JSON "
            "body, in which true, false, null and integers are not quoted.",
        ),
    ] = None,
    input: Annotated[  # noqa: A002  the name of the option
        str | None, Parameter(allow_leading_hyphen=True, help="File with the JSON body, or - for standard input.")
    ] = None,
    paginate: Annotated[
        bool, Parameter(negative="", show_default=False, help="Read all pages of a list: one item per line.")
    ] = False,
    include: Annotated[
        bool, Parameter(name=["--include", "-i"], negative="", show_default=False, help="Print status and headers.")
    ] = False,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Send a request to the API and print the JSON of the response.

    For example:
      cloud66-async api GET /stacks.json --paginate
      cloud66-async api GET /stacks/UID/servers.json
      cloud66-async api POST /stacks/UID/actions.json -F command=restart

    What the API refuses is printed as well, and the exit code is 1. Values of --field can be seen by every user of the
    machine: pass secrets with --input.
    """
    request = _request(method, path, field or [], input)
    if paginate and request.method != "GET":
        raise CommandError("--paginate is for GET", code=USAGE)
    run(_send(access.open(), request, paginate=paginate, include=include))


def _request(method: str, path: str, fields: list[str], file: str | None) -> _Request:
    """Return the request that the arguments describe. Raises CommandError."""
    parts = urlsplit(path)
    if parts.scheme or parts.netloc:
        raise CommandError("the path must not contain a host", "For example: /stacks.json", code=USAGE)
    clean_path = "/" + parts.path.removeprefix(_PREFIX).lstrip("/")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    values = dict(map(_field, fields))
    verb = method.upper()
    if verb not in _METHODS:
        raise CommandError(f'no HTTP method is called "{plain(method)}"', f"Methods: {', '.join(_METHODS)}", code=USAGE)
    if verb in _READING and file is not None:
        raise CommandError(f"--input does not go with {verb}, which has no body", code=USAGE)
    body = None if file is None else _read(file)
    if verb in _READING or file is not None:
        query |= values
    elif values:
        body = {name: _typed(value) for name, value in values.items()}
    return _Request(verb, quote(clean_path, safe=_SAFE), query, body)


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CommandError(f'invalid --field "{plain(name)}": expected name=value', code=USAGE)
    return name, value


def _typed(value: str) -> object:
    return int(value) if _INTEGER.fullmatch(value) else _LITERALS.get(value, value)


def _read(file: str) -> Any:
    """Return the JSON in a file or on standard input. Raises CommandError, which does not show it."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "standard input is closed"
        raise CommandError(f"cannot read {plain(file)!r}: {reason}", code=USAGE) from None
    except (ValueError, RecursionError):
        raise CommandError(f"invalid JSON in {plain(file)!r}", code=USAGE) from None


async def _send(c66: Cloud66, request: _Request, *, paginate: bool, include: bool) -> None:
    async with c66:
        if request.method not in _READING:
            warn(f"{request.method} {plain(request.path)}: {_meaning(request)}")
        try:
            while True:
                response = await c66.request(request.method, request.path, query=request.query, json=request.body)
                if include:
                    _print_head(response.status, response.headers)
                following = _next_page(response.raw) if paginate else None
                _print_body(response.raw, as_items=paginate)
                if following is None or following <= int(request.query.get("page", "1")):
                    return
                request.query["page"] = str(following)
        except ValueError as error:
            raise CommandError(plain(error), code=USAGE) from None
        except (APIError, ResponseError) as error:
            if error.response is not None:
                if include:
                    _print_head(error.response.status, error.response.headers)
                _print_body(error.response.body, as_items=False)
            raise


def _meaning(request: _Request) -> str:
    """Return what a request that changes something does, as the documentation says it."""
    from ...openapi.methods import operation_text  # imported lazily, like every resource
    from ...resources import operations

    for name, operation in operations():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))
        if operation.method == request.method and re.fullmatch(pattern, request.path):
            return f"{operation_text(name).summary} ({name})"
    return "changes something that this program does not know"


def _print_head(status: int, headers: Mapping[str, str]) -> None:
    print_line(f"HTTP {status}")
    for name, value in headers.items():
        if name not in _HIDDEN:
            print_line(f"{plain(name)}: {plain(value, max_length=_MAX_LINE)}")
    print_line("")


def _print_body(body: bytes, *, as_items: bool) -> None:
    """Print a body: JSON in several lines for people and in one for programs, or else its text."""
    if not body.strip():
        return
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        for line in body.decode("utf-8", "replace").splitlines():
            print_line(plain(line, max_length=_MAX_LINE))
        return
    for item in _items(data) if as_items else [data]:
        # Only ASCII, so that no character can control a terminal.
        print_line(json.dumps(item, indent=2 if is_terminal() and not as_items else None))


def _items(data: Any) -> Iterator[Any]:
    """Yield the items of a list, with or without the envelope of the API."""
    found: Any = cast("dict[str, Any]", data).get("response", data) if isinstance(data, dict) else data
    yield from found if isinstance(found, list) else [found]


def _next_page(body: bytes) -> int | None:
    try:
        following = json.loads(body)["pagination"]["next"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return following if isinstance(following, int) else None
