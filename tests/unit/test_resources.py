"""Every resource is an attribute of the client, and every model has its name in `cloud66_async.models`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
import pytest

from cloud66_async import Cloud66, models, resources
from cloud66_async.resources import Resources
from cloud66_async.resources._resource import Resource

from ..support import TOKEN, Script

MODULES = sorted(resources.modules())


def public(module: str) -> dict[str, type]:
    """Return the public classes that this module of a resource defines."""
    found = importlib.import_module(f"{resources.__name__}.{module}")
    names = {name: getattr(found, name) for name in found.__all__}
    return {name: kind for name, kind in names.items() if inspect.isclass(kind) and kind.__module__ == found.__name__}


@pytest.mark.parametrize("module", MODULES)
def test_resource_is_an_attribute_of_the_client(module: str) -> None:
    (kind,) = (kind for kind in public(module).values() if issubclass(kind, Resource))
    c66 = Cloud66(TOKEN, transport=Script())
    assert type(getattr(c66, module, None)) is kind, f"add `{module}: {kind.__name__} = _lazy(...)` to `Resources`"
    assert Resources.__annotations__[module] == kind.__name__


def test_every_attribute_is_a_resource_in_alphabetical_order() -> None:
    assert [name for name in Resources.__annotations__ if not name.startswith("_")] == MODULES


@pytest.mark.parametrize("module", [*MODULES, "common"])
def test_every_model_is_in_the_list_of_models(module: str) -> None:
    names = {name for name, kind in public(module).items() if attrs.has(kind) or issubclass(kind, Enum)}
    missing = sorted(names - set(dir(models)))
    assert missing == [], f"add to models.pyi: from .resources.{module} import {', '.join(missing)}"
    for name in names:
        assert getattr(models, name) is public(module)[name]


def test_list_of_models_has_nothing_else() -> None:
    known = {name for module in (*MODULES, "common") for name in public(module)}
    assert set(dir(models)) <= known
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = models.Nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# --- what the documentation says -----------------------------------------------------------------

KINDS: set[type] = {
    kind for module in (*MODULES, "common") for kind in public(module).values() if not issubclass(kind, Resource)
}
MODELS = {kind for kind in KINDS if attrs.has(kind)}
ENUMERATIONS = {kind for kind in KINDS if issubclass(kind, Enum)}

# Fields that the SDK adds: the stack of an action, what one program of Cloud 66 shows, and the name in the text.
ADDED = {
    (models.Action, "stack"),
    (models.Redeployment, "stack"),
    (models.Redeployment, "user_reference"),
    (models.Server, "private_key"),
    (models.Stack, "last_log"),
}


def documented() -> dict[type, str | Mapping[Any, str]]:
    """Return what the tests of the resources have written down."""
    found: dict[type, str | Mapping[Any, str]] = {}
    for module in MODULES:
        tests = importlib.import_module(f"tests.resources.test_{module}")
        for kind, what in getattr(tests, "DOCUMENTED", {}).items():
            assert kind not in found, f"{kind.__name__} is written down twice"
            found[kind] = what
    return found


DOCUMENTED = documented()


def test_every_model_and_enumeration_is_written_down() -> None:
    assert {kind.__name__ for kind in MODELS | ENUMERATIONS} == {kind.__name__ for kind in DOCUMENTED}


@pytest.mark.parametrize("model", sorted(MODELS, key=str), ids=lambda model: model.__name__)
def test_model_has_the_documented_fields(model: type[attrs.AttrsInstance]) -> None:
    fields, wanted = {field.name for field in attrs.fields(model)}, set(str(DOCUMENTED[model]).split())
    # Of the two names of a timestamp, the documentation of a model may have only one.
    twins = {name.removesuffix("_iso") for name in wanted} | {f"{name}_iso" for name in wanted}
    added = {name for kind, name in ADDED if kind is model}
    assert wanted <= fields
    assert fields - wanted <= twins | added


@pytest.mark.parametrize("kind", sorted(ENUMERATIONS, key=str), ids=lambda kind: kind.__name__)
def test_enumeration_has_the_documented_values(kind: type[Enum]) -> None:
    assert {member.value: str(member) for member in kind} == DOCUMENTED[kind]
