"""Recorder: a transport that records the exchanges of a client without its secrets, and replays them."""

from __future__ import annotations

import json
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import parse_qsl

import attrs

from .._core.connections import Connections
from .._core.response import BufferedResponse, RawResponse
from ..clock import Clock, read_clock
from ..config import Address, Config
from ..errors import Cloud66Warning, ConfigError
from ..sandbox.clock import FakeClock
from ..transport import Request, Transport
from .redaction import PLACEHOLDER, Redaction, find_token

if TYPE_CHECKING:
    from .._http.library import httpx

__all__ = ["Recorder", "UnknownRequest"]

_VERSION = 1
# The only headers of a response that are recorded, with the values that they may have. The SDK reads few others.
_HEADERS = {
    "content-type": re.compile(r"[a-z]{1,20}/[a-z.+-]{1,30}"),
    "retry-after": re.compile(r"\d{1,9}|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII),
    "x-ratelimit-limit": re.compile(r"\d{1,9}", re.ASCII),
    "x-ratelimit-remaining": re.compile(r"\d{1,9}", re.ASCII),
}
_CHALLENGE = re.compile(
    r'\b(?:error="(?:invalid_request|invalid_token|insufficient_scope)"'
    r'|scope="(?:(?:public|redeploy|jobs|users|admin) ?)+")'
)
_NEAREST = 3
_NOTHING: Any = None


class UnknownRequest(AssertionError):
    """A request that is not in the recording. Code under test that handles the SDK's errors does not hide it."""


@attrs.define
class _Exchange:
    """A request and its response: as they were while recording, with placeholders while replaying."""

    method: str
    target: str
    account: str | None
    body: Any = attrs.field(repr=False)
    response: BufferedResponse | None = attrs.field(default=None, repr=False)
    used: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class Recorder:
    """A transport that records exchanges to a file, or replays them: `Cloud66(token, transport=Recorder(path))`.

    The file is written when the client closes. It has no token, and placeholders for secrets, e-mail and IP addresses,
    host names, uids, and all other text that is not known to be harmless: the same one wherever a value occurs.
    Logins and streamed responses cannot be recorded: they consist of secrets, or may be whole backups.

    A replay is strict: each exchange is used once, in the recorded order if several match. A request that matches none
    raises UnknownRequest, and a Cloud66Warning names the exchanges that were not used. A value of the test stands for
    one placeholder during the whole replay, so a test may use the real uids.

    Args:
        path: JSON file with the recording.
        mode: Whether to record or to replay. `auto` records if there is no file yet.
        url: URL of the API to record, as `Cloud66` takes it.
        transport: Transport to record. The default is a connection pool of its own.
        keep: Names of further fields whose text is recorded, such as `name`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["auto", "record", "replay"] = "auto",
        url: str | None = None,
        transport: httpx.AsyncBaseTransport | Transport | None = None,
        keep: Iterable[str] = (),
    ) -> None:
        if mode not in ("auto", "record", "replay"):
            raise ConfigError(f"invalid mode {mode!r} of a recorder: expected auto, record or replay")
        if isinstance(keep, str):
            raise TypeError("invalid keep: expected a list of names of fields, not a string")
        self._path = Path(path)
        self.recording: bool = mode == "record" or (mode == "auto" and not self._path.exists())
        """Whether this recorder records. Otherwise it replays."""
        # A replay does not wait as long as the recorded calls did.
        self.clock: Clock = read_clock(None, transport) if self.recording else FakeClock(datetime.now(UTC))
        """The clock that a client takes from this transport."""
        self._keep = tuple(keep)
        self._exchanges: list[_Exchange] = [] if self.recording else _read(self._path)
        self._tokens: set[str] = set()
        self._bound: dict[str, str] = {}  # placeholders, by the values of the test that they stand for
        self._known: set[str] = set() if self.recording else set(PLACEHOLDER.findall(self._path.read_text("utf-8")))
        self._config = Config(address=Address.parse(url), transport=transport)
        self._connections: Connections | None = None
        self._inner: Transport | None = None

    def __repr__(self) -> str:
        doing = "records" if self.recording else "replays"
        return f"<Recorder: {doing} {len(self._exchanges)} exchanges, {self._path}>"

    @property
    def unused(self) -> tuple[str, ...]:
        """The method and target of each recorded exchange that was not replayed."""
        return () if self.recording else tuple(str(each) for each in self._exchanges if not each.used)

    async def send(self, request: Request) -> RawResponse:
        """Send and record the request, or return its recorded response. Raises UnknownRequest if there is none."""
        if request.target.startswith("/oauth/"):
            raise ConfigError(
                "a login cannot be recorded or replayed: it consists of secrets; test it with the sandbox"
            )
        headers = {name.lower(): value for name, value in request.headers.pairs}
        asked = _Exchange(request.method, request.target, headers.get("x-account"), _parse(request.body or b""))
        if not self.recording:
            return self._replay(asked)
        self._tokens.add(request.headers.token)
        if self._inner is None:
            self._connections = Connections(self._config)
            self._inner = self._connections.transport()
        self._exchanges.append(asked)
        try:
            response = await self._inner.send(request)
        except BaseException:
            self._exchanges = [each for each in self._exchanges if each is not asked]
            raise
        asked.response = BufferedResponse.copy(response)
        return response

    async def aclose(self) -> None:
        """Write the recording, or report with a Cloud66Warning which exchanges were not replayed.

        Raises ConfigError, and writes nothing, if the recording would contain what looks like a token.
        """
        inner, connections, self._inner, self._connections = self._inner, self._connections, None, None
        if inner is not None:
            await inner.aclose()
        if connections is not None:
            await connections.aclose()
        if self.recording:
            _write(self._path, self._document())
        elif self.unused:
            warnings.warn(
                f"exchanges in {self._path} were not replayed: {', '.join(self.unused)}; record the test again",
                Cloud66Warning,
                stacklevel=2,
            )

    def _replay(self, asked: _Exchange) -> RawResponse:
        for exchange in self._exchanges:
            found = None if exchange.used else self._match(exchange, asked)
            if found is not None:
                self._bound = found
                exchange.used = True
                assert exchange.response is not None
                return exchange.response
        nearest = sorted(self._exchanges, key=lambda each: _similarity(each, asked), reverse=True)[:_NEAREST]
        listed = ", ".join(f"{each} ({self._difference(each, asked)})" for each in nearest) or "nothing was recorded"
        raise UnknownRequest(
            f"cannot replay {asked.method} {_shown(asked)}: it is not in {self._path}; the nearest are: {listed}; "
            "record the test again"
        )

    def _difference(self, recorded: _Exchange, asked: _Exchange) -> str:
        found = dict(self._bound)
        if recorded.method != asked.method or not self._same(_split(recorded.target), _split(asked.target), found):
            return "another target"
        if recorded.used:
            return "already used"
        return "another account" if recorded.account != asked.account else "another body"

    def _match(self, recorded: _Exchange, asked: _Exchange) -> dict[str, str] | None:
        """Return what placeholders stand for if the recorded request is this one, or None if it is another."""
        if (recorded.method, recorded.account) != (asked.method, asked.account):
            return None
        found = dict(self._bound)
        if not self._same(_split(recorded.target), _split(asked.target), found):
            return None
        return found if self._same(recorded.body, asked.body, found) else None

    def _same(self, recorded: object, asked: object, found: dict[str, str]) -> bool:
        """Return whether two JSON values are the same. Add to `found` what placeholders stand for."""
        if isinstance(recorded, dict) and isinstance(asked, dict):
            pairs = cast("dict[str, object]", recorded).items(), cast("dict[str, object]", asked).items()
            return self._same([list(pair) for pair in pairs[0]], [list(pair) for pair in pairs[1]], found)
        if isinstance(recorded, list) and isinstance(asked, list):
            items, given = cast("list[object]", recorded), cast("list[object]", asked)
            return len(items) == len(given) and all(self._same(item, given[n], found) for n, item in enumerate(items))
        if recorded == asked:
            return True
        value = str(asked)
        if not isinstance(recorded, str) or PLACEHOLDER.fullmatch(recorded) is None or value in self._known:
            return False
        if value not in found and recorded not in found.values():
            found[value] = recorded
        return found.get(value) == recorded

    def _document(self) -> Mapping[str, Any]:
        """Return what is written: everything with placeholders."""
        redaction = Redaction(self._keep)
        answered = [(each, each.response) for each in self._exchanges if each.response is not None]
        for token in self._tokens:
            redaction.learn_token(token)
        for exchange, response in answered:
            redaction.learn(exchange.body)
            redaction.learn(_parse(response.body))
        found = [_encode(exchange, response, redaction) for exchange, response in answered]
        for item in found:
            place = find_token(item)
            if place is not None:
                raise ConfigError(
                    f"cannot write {self._path} ({place} of a {item['request']['method']} request): it looks like a "
                    "token or a key; do not name its field in keep=..."
                )
        return {"version": _VERSION, "exchanges": found}


def _encode(exchange: _Exchange, response: BufferedResponse, redaction: Redaction) -> Mapping[str, Any]:
    request: dict[str, Any] = {"method": exchange.method, "target": redaction.target(exchange.target)}
    if exchange.account is not None:
        request["account"] = exchange.account if exchange.account.isdecimal() else redaction.text(exchange.account)
    if exchange.body is not _NOTHING:
        request["body"] = redaction.json(exchange.body)
    found = {name: pattern.match(response.headers.get(name, "")) for name, pattern in _HEADERS.items()}
    headers = {name: match[0] for name, match in found.items() if match is not None}
    challenge = _CHALLENGE.findall(response.headers.get("www-authenticate", ""))
    if challenge:
        headers["www-authenticate"] = ", ".join(challenge)  # without the scheme: the SDK does not read it
    return {
        "request": request,
        "response": {"status": response.status, "headers": headers, "body": redaction.json(_parse(response.body))},
    }


def _parse(body: bytes) -> Any:
    """Return the JSON in a body, None if it is empty, and the text if it is not JSON."""
    if not body:
        return _NOTHING
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _split(target: str) -> Any:
    path, _, query = target.partition("?")
    segments = [part.removesuffix(".json") for part in path.split("/")]
    return [segments, [list(pair) for pair in parse_qsl(query, keep_blank_values=True)], path.endswith(".json")]


def _similarity(recorded: _Exchange, asked: _Exchange) -> float:
    return SequenceMatcher(None, str(recorded), str(asked)).ratio()


def _shown(asked: _Exchange) -> str:
    """Return the target for a message, or the path of the operation if there is a secret in it."""
    from ..sandbox.routes import api_routes  # imported lazily: only messages need it

    path = asked.target.partition("?")[0]
    found = api_routes().find(asked.method, path.partition("/api/3")[2])
    return found[0].operations[0].path if found is not None and found[0].operations[0].secrets else asked.target


def _read(path: Path) -> list[_Exchange]:
    """Return the exchanges in a recording. Raises ConfigError."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no recording ({path}): the file does not exist; run the test with mode='record'") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the recording {path}: {error}") from None
    try:
        if found["version"] != _VERSION:
            raise ConfigError(f"unsupported version of the recording {path}; record the test again")
        return [_decode(item["request"], item["response"]) for item in found["exchanges"]]
    except (KeyError, TypeError):
        raise ConfigError(f"invalid recording {path}: not written by this package; record the test again") from None


def _decode(request: Mapping[str, Any], response: Mapping[str, Any]) -> _Exchange:
    content = response["body"]
    is_json = "json" in response["headers"].get("content-type", "") and content is not _NOTHING
    body = json.dumps(content).encode() if is_json else (content or "").encode()
    replayed = BufferedResponse(response["status"], body, dict(response["headers"]))
    return _Exchange(request["method"], request["target"], request.get("account"), request.get("body"), replayed)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the file atomically, readable for its owner only. Raises ConfigError."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            new.replace(path)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
    except OSError as error:
        raise ConfigError(f"cannot write the recording {path}: {error.strerror}") from None
