"""Work: what is called for each item, in a form that can be sent to another process."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, TypeGuard, cast

import msgspec

from ..client import Cloud66
from ..errors import ConfigError
from ..operation import Many, Operation
from ..resources import modules

__all__ = ["Recovery", "Work", "to_work"]

Function = Callable[[Cloud66, Any], Awaitable[Any]]

_ADVICE = "pass `async def f(c66, item)` of a module, an operation such as stacks.GET, or a name such as 'stacks.get'"


class Recovery(msgspec.Struct, frozen=True):
    """How to continue a write whose worker died, if that can be found out.

    Args:
        function: Function that is called instead of the first one. It finds out what was done.
        is_final: Function that tells whether a result is kept. After any other, and after an error, a later call
            continues.
    """

    function: Function
    is_final: Callable[[Any], bool]


class Work(msgspec.Struct, frozen=True):
    """What is called for each item.

    Args:
        target: Operation, name of a method, or function.
        writes: Whether it may change something.
        single: Whether it sends one request, so that an error tells whether that was carried out.
        recovery: How to continue a write whose worker died, or None.
    """

    target: Any
    writes: bool
    single: bool = False
    recovery: Recovery | None = None

    async def call(self, c66: Cloud66, item: Any) -> Any:
        """Return the result for `item`. Raises the errors of the call."""
        target: Any = self.target
        if _is_operation(target):
            c66, item = _for_account(c66, item)
            return (await c66.send(target.bind(**_parameters(target, item)))).data
        if isinstance(target, str):
            c66, item = _for_account(c66, item)
            method = _method(c66, target)
            found = method(**item) if isinstance(item, Mapping) else method(item)
            return await found
        return await target(c66, item)


def to_work(function: Any, *, writes: bool | None) -> Work:
    """Return the work for an argument of `each`. Raises TypeError, and ConfigError if it is not known what it does."""
    if _is_operation(function):
        return _operation(function, writes)
    if isinstance(function, str):
        return _named(function, writes)
    if not callable(function):
        raise TypeError(f"invalid function: expected an async function, not {type(function).__name__}; {_ADVICE}")
    _check_function(function)
    return Work(function, bool(writes))


def _is_operation(value: object) -> TypeGuard[Operation[Any]]:
    return isinstance(value, Operation)


def _operation(operation: Operation[Any], writes: bool | None) -> Work:
    if isinstance(operation.returns, Many):
        raise TypeError(
            f"invalid function: {operation} returns a list page by page; "
            "pass the name of its method, such as 'stacks.list', which reads every page"
        )
    return Work(operation, _writes(str(operation), operation, writes), single=True)


def _named(name: str, writes: bool | None) -> Work:
    resource, _, method = name.partition(".")
    module: Any = import_module(f"..resources.{resource}", __package__) if resource in modules() else None
    kind = getattr(module, "".join(part.title() for part in resource.split("_")), None)
    if method.startswith("_") or not callable(getattr(kind, method, None)):
        raise ConfigError(f"invalid function {name!r}: expected the name of a method, such as 'stacks.get'")
    operation: Any = getattr(module, method.upper(), None)
    if _is_operation(operation):
        # To find out what a lost request has done, the method for redeployments sends others, whose errors say nothing
        # about it.
        return Work(name, _writes(name, operation, writes), single="user_reference" not in operation.body)
    if writes is None:
        raise ConfigError(
            f"{name} may send several requests; pass writes=True if it changes something, or writes=False"
        )
    return Work(name, writes)


def _writes(name: str, operation: Operation[Any], writes: bool | None) -> bool:
    if writes is False and not operation.repeatable:
        raise ConfigError(f"{name} changes something, so writes=False cannot apply; leave it out")
    return bool(writes) or not operation.repeatable


def _check_function(function: Any) -> None:
    """Raise TypeError if a function cannot be sent to another process, or is not async."""
    name = getattr(function, "__qualname__", "")
    if inspect.isclass(function):
        raise TypeError(f"invalid function: {name} is a class; {_ADVICE}")
    owner = getattr(function, "__self__", None)
    if owner is not None and not inspect.ismodule(owner):
        raise TypeError(f"invalid function: {name} is bound to an object, which stays in this process; {_ADVICE}")
    if "<lambda>" in name or "<locals>" in name:
        raise TypeError(f"invalid function: {name} exists in this process only; {_ADVICE}")
    if inspect.isfunction(function) and not inspect.iscoroutinefunction(function):
        raise TypeError(f"invalid function: {name} is not async; {_ADVICE}")


def _for_account(c66: Cloud66, item: Any) -> tuple[Cloud66, Any]:
    """Return the client and the item without the account, if the item is a pair of an account and an item."""
    if isinstance(item, tuple):
        account, item = cast("tuple[int, Any]", item)
        return c66.using(account=account), item
    return c66, item


def _parameters(operation: Operation[Any], item: Any) -> Mapping[str, Any]:
    """Return the parameters in an item: a mapping, or the value of the only path parameter."""
    if isinstance(item, Mapping):
        return cast("Mapping[str, Any]", item)
    if len(operation.names) != 1:
        names = ", ".join(sorted(operation.names)) or "none"
        raise TypeError(f"invalid item for {operation}: expected a mapping with its path parameters ({names})")
    return {next(iter(operation.names)): item}


def _method(c66: Cloud66, name: str) -> Any:
    resource, _, method = name.partition(".")
    return getattr(getattr(c66, resource), method)
