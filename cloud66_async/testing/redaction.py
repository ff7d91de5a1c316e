"""Placeholders for whatever a recording must not contain. An allow-list decides what stays as it is."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, cast, get_args, get_type_hints
from urllib.parse import parse_qsl, quote, unquote, urlencode

import attrs

from .. import models
from .._core.model import Model
from .._core.origin import ip_address
from .._core.parameters import Nested
from ..resources import operations
from ..secret import Secret

__all__ = ["PLACEHOLDER", "Redaction", "find_token"]

# Fields that describe what something is, never who or where it is. Their values must also be short and plain.
_KEPT = frozenset({
    "availability_zone", "backup_result", "charset", "cloud", "cloud_status", "collation", "context_type",
    "db_type", "distro", "distro_version", "entity_type", "environment", "framework", "instance_type",
    "kubernetes_version", "language", "page", "protocol", "region", "resource_type", "restore_result", "role",
    "rule_type", "scope", "server_type", "severity", "size", "source_type", "started_via", "sub_type", "timezone",
    "type", "user_type", "variant_type", "verify_result", "version",
})  # fmt: skip
_ENVELOPE = frozenset({
    "response", "count", "pagination", "previous", "next", "current", "per_page", "pages", "error",
    "error_description", "details", "page",
})  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+-]{0,39}").fullmatch
_CODE = re.compile(r"[a-z_]{1,40}").fullmatch
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z| UTC|[+-]\d\d:?\d\d)?", re.ASCII
).fullmatch
_UID = re.compile(r"[0-9a-f]{32}").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE).fullmatch
_EMAIL = re.compile(r"[^\s@/]+@[^\s@/]+\.[^\s@/.]+").fullmatch
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]+", re.IGNORECASE).fullmatch
# The same things inside of longer text.
_INSIDE = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+|[^\s@/<>()\"',:;=]+@[^\s@/<>()\"',:;]+\.[a-z]+"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{1,4}:){2,7}[0-9a-f:]*"
    r"|\b[0-9a-f]{32}\b|\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}|-----BEGIN|Bearer\s")
_SHORTEST = 6
"""Number of characters from which a known value is also replaced inside of longer text."""

PLACEHOLDER = re.compile(
    r"(?:key|secret|text|token)-\d+|user-\d+@example\.com|host-\d+\.example|https://host-\d+\.example/"
    r"|198\.1[89]\.\d+\.\d+|2001:db8::[0-9a-f]+|0{24}[0-9a-f]{8}|00000000-0000-4000-8000-[0-9a-f]{12}"
)
"""What this module puts in place of a value."""


class Redaction:
    """Placeholders of one recording: the same value has the same placeholder wherever it occurs.

    `keep` names further fields whose text stays, except for known secrets, addresses, host names and uids in it.
    """

    def __init__(self, keep: Iterable[str] = ()) -> None:
        self._keep = frozenset(keep)
        self._by_value: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def learn(self, value: object, *, secret: bool = False) -> None:
        """Find the secrets in JSON, so that they are replaced in every other place too."""
        if isinstance(value, dict):
            for name, item in cast("dict[str, object]", value).items():
                self.learn(item, secret=secret or name in _vocabulary().secrets)
        elif isinstance(value, list):
            for item in cast("list[object]", value):
                self.learn(item, secret=secret)
        elif secret and isinstance(value, str) and value:
            self._placeholder(_secret_kind(value), value)

    def learn_token(self, token: str) -> None:
        """Replace this token wherever it occurs."""
        self._placeholder("token", token)

    def json(self, value: object, field: str = "", *, secret: bool = False) -> Any:
        """Return JSON with placeholders. Numbers, booleans and null stay, except in secret fields."""
        secret = secret or field in _vocabulary().secrets
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {self._key(name): self.json(item, name, secret=secret) for name, item in items}
        if isinstance(value, list):
            return [self.json(item, field, secret=secret) for item in cast("list[object]", value)]
        if isinstance(value, str):
            return self._text(field, value, secret=secret)
        if secret and isinstance(value, int | float) and not isinstance(value, bool):
            return self._placeholder("secret", str(value))
        return value

    def text(self, value: str) -> str:
        """Return the placeholder of a text that is in no field."""
        return self._text("", value, secret=False)

    def target(self, target: str) -> str:
        """Return a path and query with placeholders. Segments of the API's own paths stay, and so do numbers."""
        path, mark, query = target.partition("?")
        segments = [self._segment(segment) for segment in path.split("/")]
        pairs = [
            (self._key(name), self._query(name, value)) for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        return "/".join(segments) + mark + urlencode(pairs)

    def _segment(self, segment: str) -> str:
        name, suffix = (segment[:-5], ".json") if segment.endswith(".json") else (segment, "")
        if name in _vocabulary().segments or name.isdecimal():
            return segment
        return quote(self.text(unquote(name)), safe="@:") + suffix

    def _query(self, name: str, value: str) -> str:
        return value if value.isdecimal() or value in ("true", "false") else self._text(name, value, secret=False)

    def _key(self, name: str) -> str:
        known = name in _vocabulary().names or name in _ENVELOPE or name in self._keep
        return name if known else self._placeholder("key", name)

    def _text(self, field: str, value: str, *, secret: bool) -> str:
        if not value or (not secret and _stays(field, value) and (value not in self._by_value or _is_word(value))):
            return value
        if secret or value in self._by_value:
            return self._placeholder(_secret_kind(value), value)
        if field in self._keep:
            return self._inside(value)
        return self._placeholder(_kind(value), value)

    def _inside(self, value: str) -> str:
        """Return text that stays, with placeholders for what it contains."""
        for known in sorted(self._by_value, key=len, reverse=True):
            if len(known) >= _SHORTEST:
                value = value.replace(known, self._by_value[known])

        def replace(found: re.Match[str]) -> str:
            text = found[0]
            return text if PLACEHOLDER.fullmatch(text) else self._placeholder(_kind(text), text)

        return _INSIDE.sub(replace, value)

    def _placeholder(self, kind: str, value: str) -> str:
        known = self._by_value.get(value)
        if known is None:
            self._counts[kind] += 1
            known = self._by_value[value] = _numbered(kind, self._counts[kind])
        return known


def find_token(value: object, place: str = "") -> str | None:
    """Return the place of the first text in JSON that looks like a token, a header with one, or a key; or None."""
    if isinstance(value, str):
        return place if _TOKEN.search(value) else None
    found: Iterator[str | None] = iter(())
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        if any(_TOKEN.search(name) for name, _ in items):
            return f"a key in {place}"
        found = (find_token(item, f"{place}.{name}" if place else name) for name, item in items)
    elif isinstance(value, list):
        found = (find_token(item, f"{place}[{index}]") for index, item in enumerate(cast("list[object]", value)))
    return next((each for each in found if each is not None), None)


class _Vocabulary(NamedTuple):
    """What the models and operations say about names.

    Args:
        names: Names of fields and parameters.
        secrets: Names that are a `Secret` in any of them.
        choices: Values of the enumerations, by the name of the field.
        segments: Segments of paths that are not parameters.
    """

    names: frozenset[str]
    secrets: frozenset[str]
    choices: Mapping[str, frozenset[str]]
    segments: frozenset[str]


@cache
def _vocabulary() -> _Vocabulary:
    kinds: dict[str, set[Any]] = {}
    segments = {"", "api", "3"}
    for name in dir(models):
        model = getattr(models, name)
        if isinstance(model, type) and issubclass(model, Model):
            hints = get_type_hints(model)
            for field in attrs.fields(model):
                kinds.setdefault(field.name, set()).update(_leaves(hints[field.name]))
    for _, operation in operations(variants=True):
        for parameter, kind in _parameters({**operation.query, **operation.body}):
            kinds.setdefault(parameter, set()).update(_leaves(kind))
        if operation.wrapper:
            kinds.setdefault(operation.wrapper, set())
        segments.update(part.removesuffix(".json") for part in operation.path.split("/") if "{" not in part)
    choices = {name: frozenset(_choices(found)) for name, found in kinds.items()}
    return _Vocabulary(
        frozenset(kinds),
        frozenset(name for name, found in kinds.items() if Secret in found),
        {name: values for name, values in choices.items() if values},
        frozenset(segments),
    )


def _parameters(types: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and type of each parameter, also of those inside of others."""
    for name, kind in types.items():
        if isinstance(kind, Nested):
            yield name, None
            yield from _parameters(kind.parameters)
        else:
            yield name, kind


def _leaves(kind: Any) -> Iterator[Any]:
    """Yield the types and the literals in an annotation."""
    if isinstance(kind, type) and issubclass(kind, Secret):
        yield Secret
    arguments = get_args(kind)
    if not arguments:
        yield kind
    for argument in arguments:
        yield from _leaves(argument)


def _choices(kinds: Iterable[Any]) -> Iterator[str]:
    for kind in kinds:
        if isinstance(kind, str):  # of a Literal
            yield kind
        elif isinstance(kind, type) and issubclass(kind, enum.Enum):
            yield from (str(member.value) for member in kind)


def _is_word(value: str) -> bool:
    """Return whether this is a word such as `production`, which may also be the value of some secret variable."""
    return value.isascii() and value.isalpha() and value.islower()


def _stays(field: str, value: str) -> bool:
    """Return whether this text cannot identify anybody or anything."""
    if _TIMESTAMP(value) is not None or value in _vocabulary().choices.get(field, ()):
        return True
    if field == "error":
        return _CODE(value) is not None
    found = _UUID(value) or _INSIDE.search(value) or _TOKEN.search(value)
    return field in _KEPT and _PLAIN(value) is not None and found is None


def _kind(value: str) -> str:
    if _UID(value) or _UUID(value):
        return "uid" if _UID(value) else "uuid"
    if _URL(value):
        return "url"
    if _EMAIL(value):
        return "email"
    address = ip_address(value)
    if address is not None:
        return f"ipv{address.version}"
    return "host" if _HOST(value) else "text"


def _secret_kind(value: str) -> str:
    """Return the kind of placeholder for a secret: that of other values, so that a URL remains one."""
    kind = _kind(value)
    return "secret" if kind == "text" else kind


def _numbered(kind: str, number: int) -> str:
    """Return the placeholder with this number."""
    form = _FORMS.get(kind)
    return f"{kind}-{number}" if form is None else form(number)


# Names and addresses are those that are reserved for documentation and for tests.
_FORMS: Mapping[str, Callable[[int], str]] = {
    "uid": "{:032x}".format,
    "uuid": "00000000-0000-4000-8000-{:012x}".format,
    "url": "https://host-{}.example/".format,
    "email": "user-{}@example.com".format,
    "ipv4": lambda number: f"198.18.{number >> 8}.{number & 255}",
    "ipv6": "2001:db8::{:x}".format,
    "host": "host-{}.example".format,
}
