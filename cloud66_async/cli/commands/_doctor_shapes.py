"""`doctor --shapes`: read one of everything, and compare the responses with the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ...bulk import Ok
from ...client import Cloud66
from ...errors import APIError, Cloud66Error
from ...operation import Operation, Page
from ...resources import operations

__all__ = ["read_one_of_everything", "readable"]

# Reading these creates something, or returns nothing but a secret.
_LEFT_OUT = frozenset({"accounts.get_otp", "backup_files.get", "registry_credentials.get", "sessions.fetch"})
# What identifies an item, the best name first.
_IDENTIFIERS = ("uid", "uuid", "key", "id", "name", "type")
_AT_ONCE = 8


def readable(scopes: tuple[str, ...] | None) -> dict[str, Operation[Any]]:
    """Return the operations that read something and that a token with these scopes may use, by name."""
    return {
        name: operation
        for name, operation in operations()
        if operation.method == "GET"
        and operation.repeatable
        and name not in _LEFT_OUT
        and not any(parameter.required for parameter in operation.query_parameters)
        and (scopes is None or operation.scope is None or operation.scope in scopes)
    }


async def read_one_of_everything(c66: Cloud66, chosen: Mapping[str, Operation[Any]]) -> dict[str, str]:
    """Send each operation once, with the identifiers that the lists before it returned.

    Return why operations were not read, by name. The client's `Drift` has the differences.
    """
    waiting = dict(chosen)
    known: dict[str, object] = {}
    failures: dict[str, str] = {}

    async def read(name: str) -> object:
        operation = chosen[name]
        return (await c66.send(operation.bind(**{key: known[key] for key in operation.names}))).data

    while ready := sorted(name for name, operation in waiting.items() if operation.names <= known.keys()):
        for name in ready:
            del waiting[name]
        found: dict[str, object] = {}
        async with c66.each(read, ready, limit=_AT_ONCE) as results:
            async for result in results:
                if isinstance(result, Ok):
                    found[result.item] = result.value
                else:
                    failures[result.item] = _reason(result.error)
        for name, data in sorted(found.items()):
            known |= {key: value for key, value in _identifiers(name, data, waiting) if key not in known}
    return failures | dict.fromkeys(waiting, "nothing to read: the lists before it are empty")


def _identifiers(name: str, data: object, waiting: Mapping[str, Operation[Any]]) -> Iterator[tuple[str, object]]:
    """Yield the name and the value of the path parameter for an item of a list that was read."""
    following = waiting.get(f"{name.partition('.')[0]}.get")
    items = cast("Page[object]", data).items if isinstance(data, Page) else ()
    if not items or following is None:
        return
    parameter = following.path.rpartition("{")[2].partition("}")[0]
    names = ("id",) if parameter in following.integers else (*_IDENTIFIERS, parameter)
    value = next((found for each in names if (found := getattr(items[0], each, None)) is not None), None)
    if value is not None:
        text = str(value).replace(".", "-") if parameter == "setting" else str(value)  # the ID of a setting
        yield parameter, value if parameter in following.integers else text


def _reason(error: Cloud66Error) -> str:
    return f"status {error.status}" if isinstance(error, APIError) else type(error).__name__
