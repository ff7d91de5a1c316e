"""What the log of a sandbox says about a request. Secrets are hidden in it."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, cast
from urllib.parse import quote, urlencode

from .._core.parameters import Parameter
from ..operation import Operation
from ..secret import MASK, Secret
from .api import PREFIX
from .hooks import PREFIX as HOOKS
from .message import Rejected, Request
from .parameters import read_parameters
from .routes import Match

__all__ = ["read_logged", "secret_names", "shown_target"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PLAIN_OAUTH = {"grant_type", "response_type", "scope", "code_challenge_method", "token_type_hint"}
"""Fields of requests to the OAuth provider that are no secrets and identify nobody."""


def shown_target(request: Request, match: Match | None) -> str:
    """Return the path and the query. Secrets in them are masked; a query that no operation declares is left out."""
    if match is None:
        path = request.path
        return f"{HOOKS}{path.removeprefix(HOOKS).partition('/')[0]}/{MASK}" if path.startswith(HOOKS) else path
    operation = match[0].operations[0]
    path = request.path
    if not operation.secrets and path == request.target:
        return path  # nearly every request
    if operation.secrets:
        path = PREFIX + operation.path.format_map(
            {name: MASK if name in operation.secrets else quote(value, safe="") for name, value in _in_path(match)}
        )
    plain = {"page"}.union(item.name for item in operation.query_parameters if not _is_secret(item))
    if all(name in plain for name, _ in request.query):
        return path + request.target[len(request.path) :]
    return f"{path}?{urlencode([(name, value if name in plain else MASK) for name, value in request.query])}"


def read_logged(request: Request, match: Match | None) -> dict[str, Any]:
    """Return the parameters in the path, the query and the body, by name.

    A secret is a `Secret`, and so is every value that no operation declares.
    """
    if match is None:
        return _without_operation(request)
    operation = match[0].operations[0]
    found = dict(_path_values(operation, match))
    if not request.body and request.path == request.target:
        return found
    declared = {item.name: item for item in (*operation.query_parameters, *operation.body_parameters)}
    try:
        values = read_parameters(operation, request)
        names = [name for name, _ in request.query] + list(request.data)
    except Rejected:
        return found  # the response is 400: the values are not valid
    found |= {name: _concealed(declared[name], value) for name, value in values.items()}
    if "page" in names:
        found["page"] = _number(dict(request.query).get("page", ""))
    given: Mapping[str, Any] = {**request.data, **dict(request.query)}
    for name in names:
        if name not in found and name not in declared and name != operation.wrapper and "[" not in name:
            found[name] = _secret(given[name])
    return found


def secret_names(operation: Operation[Any]) -> set[str]:
    """Return the names of the parameters that are secrets."""
    declared = (*operation.query_parameters, *operation.body_parameters)
    return {item.name for item in declared if _is_secret(item)}.union(operation.secrets)


def _without_operation(request: Request) -> dict[str, Any]:
    if request.path.startswith(HOOKS):
        return {"stack": request.path.removeprefix(HOOKS).partition("/")[0]}
    if not request.path.startswith("/oauth/"):
        return {}
    pairs = (*request.query, *request.form)
    return {name: value if name in _PLAIN_OAUTH else _secret(value) for name, value in pairs}


def _in_path(match: Match) -> Iterable[tuple[str, str]]:
    return zip(_placeholders(match[0].operations[0].path), match[1], strict=False)


@cache
def _placeholders(path: str) -> tuple[str, ...]:
    return tuple(_PLACEHOLDER.findall(path))


def _path_values(operation: Operation[Any], match: Match) -> Iterator[tuple[str, object]]:
    for name, value in _in_path(match):
        if name in operation.secrets:
            yield name, _secret(value)
        else:
            yield name, _number(value) if name in operation.integers else value


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text


def _secret(value: object) -> object:
    return Secret(value) if isinstance(value, str) else MASK


def _is_secret(parameter: Parameter) -> bool:
    if parameter.item is not None:
        return _is_secret(parameter.item)
    return parameter.base is Secret or Secret in typing.get_args(parameter.kind)


def _concealed(parameter: Parameter, value: Any) -> Any:
    """Return a value with every secret in it as a `Secret`."""
    if parameter.item is not None and isinstance(value, list):
        return [_concealed(parameter.item, item) for item in cast("list[object]", value)]
    if parameter.fields is not None and isinstance(value, dict):
        fields = {field.name: field for field in parameter.fields}
        return {name: _concealed(fields[name], item) for name, item in cast("dict[str, Any]", value).items()}
    if not _is_secret(parameter):
        return value
    if isinstance(value, dict):
        return {name: _secret(item) for name, item in cast("dict[str, Any]", value).items()}
    return _secret(value)
