"""Every operation has one method of its resource and one handler in the sandbox, and there are no others."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, ModuleType

import pytest

import cloud66_async.resources
import cloud66_async.sandbox.resources
from cloud66_async.operation import get
from cloud66_async.resources import modules, operations, servers, stacks
from cloud66_async.resources._resource import Resource
from cloud66_async.sandbox import handling
from cloud66_async.sandbox.handling import HANDLERS, Context, handles

# These methods combine calls of other operations.
COMBINED = {
    "accounts.each_account",
    "actions.follow",
    "actions.notify",
    "actions.wait",
    "backup_files.download",
    "environment_variables.apply",
    "environment_variables.plan",
    "environment_variables.plan_copy",
    "stack_settings.apply",
    "stack_settings.plan",
    "stacks.find",
    "stacks.get_many",
    "stacks.redeploy_by_hook",
    "stacks.resume_rollout",
    "stacks.rollout",
}


def resource_class(module: ModuleType) -> type[Resource]:
    """Return the one resource class that the module defines."""
    (found,) = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Resource) and value.__module__ == module.__name__
    ]
    return found


def public_methods() -> dict[str, FunctionType]:
    """Return every public method of the resources by name, for example `stacks.get`."""
    return {
        f"{name}.{attribute}": value
        for name in modules()
        for attribute, value in vars(resource_class(import_module(f"cloud66_async.resources.{name}"))).items()
        if isinstance(value, FunctionType) and not attribute.startswith("_")
    }


def gaps() -> list[str]:
    """Return what is missing, one line for each gap."""
    known, methods, variants = dict(operations()), public_methods(), dict(operations(variants=True))
    bases = {variant.base for variant in variants.values()}
    names = {operation: name for name, operation in known.items()}
    found = [f"{name}: operation without a handler" for operation, name in names.items() if operation not in HANDLERS]
    found += [f"{operation}: handler without an operation" for operation in HANDLERS if operation not in names]
    found += [
        f"{name}: operation without a method"
        for name, operation in variants.items()
        if name not in methods and operation not in bases
    ]
    found += [f"{name}: method without an operation" for name in methods if name not in {*variants, *COMBINED}]
    found += [f"{name}: method without a docstring" for name, method in methods.items() if not method.__doc__]
    found += [
        f"{name}: method that does not use its operation"
        for name, method in methods.items()
        if name in variants and name.partition(".")[2].upper() not in method.__code__.co_names
    ]
    return found


def test_operations_methods_and_handlers_match() -> None:
    assert gaps() == []
    assert set(HANDLERS) == {operation for _, operation in operations()}


def test_no_operation_has_two_names() -> None:
    assert set(Counter(operation for _, operation in operations()).values()) == {1}


def test_operations_of_one_route_have_one_handler_and_one_scope() -> None:
    routes: dict[tuple[str, str], set[object]] = {}
    for _, operation in operations():
        route = routes.setdefault((operation.method, operation.path), set())
        route.add((operation.scope, HANDLERS[operation]))
    assert [route for route, found in routes.items() if len(found) > 1] == []


@pytest.fixture
def new_gaps() -> Callable[[], set[str]]:
    """Return a function that returns the gaps that were not there before the test."""
    before = set(gaps())
    return lambda: set(gaps()) - before


def respond(_context: Context) -> dict[str, object]:
    return {}


# --- each gap is found ---------------------------------------------------------------------------


def test_operation_alone_is_found(monkeypatch: pytest.MonkeyPatch, new_gaps: Callable[[], set[str]]) -> None:
    monkeypatch.setattr(stacks, "EXPLODE", get("/stacks/{stack}/explode.json"), raising=False)
    assert new_gaps() == {"stacks.explode: operation without a handler", "stacks.explode: operation without a method"}


def test_method_alone_is_found(monkeypatch: pytest.MonkeyPatch, new_gaps: Callable[[], set[str]]) -> None:
    def explode(self: servers.Servers) -> None:
        """Explode."""

    monkeypatch.setattr(servers.Servers, "explode", explode, raising=False)
    assert new_gaps() == {"servers.explode: method without an operation"}


def test_handler_alone_is_found(monkeypatch: pytest.MonkeyPatch, new_gaps: Callable[[], set[str]]) -> None:
    operation = get("/stacks/{stack}/explode.json")
    monkeypatch.setitem(HANDLERS, operation, respond)
    assert new_gaps() == {"GET /stacks/{stack}/explode.json: handler without an operation"}


def test_method_without_a_docstring_is_found(monkeypatch: pytest.MonkeyPatch, new_gaps: Callable[[], set[str]]) -> None:
    monkeypatch.setattr(servers.Servers.reboot, "__doc__", None)
    assert new_gaps() == {"servers.reboot: method without a docstring"}


def test_method_of_another_operation_is_found(
    monkeypatch: pytest.MonkeyPatch, new_gaps: Callable[[], set[str]]
) -> None:
    def reboot(self: servers.Servers, stack: str) -> object:
        """Reboot."""
        return servers.LIST.bind(stack=stack)

    monkeypatch.setattr(servers.Servers, "reboot", reboot)
    assert new_gaps() == {"servers.reboot: method that does not use its operation"}


def test_resource_without_a_sandbox_module_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud66_async.resources, "modules", lambda: ["ping", "made_up"])
    with pytest.raises(ModuleNotFoundError, match=r"'cloud66_async\.sandbox\.resources\.made_up'"):
        importlib.reload(cloud66_async.sandbox.resources)


# --- registering handlers ------------------------------------------------------------------------


def test_handles_registers_several_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "HANDLERS", {})
    first, second = get("/first.json"), get("/second.json")
    assert handles(first, second)(respond) is respond
    assert {first: respond, second: respond} == handling.HANDLERS


def test_second_handler_of_an_operation_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"cannot register a handler of GET /stacks\.json: it already has one"):
        handles(stacks.LIST)(respond)
    assert HANDLERS[stacks.LIST] is not respond
