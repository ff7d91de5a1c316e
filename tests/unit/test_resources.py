"""Every resource is an attribute of the client, and every model has its name in `cloud66_async.models`."""

from __future__ import annotations

import importlib
import inspect
from enum import Enum

import attrs
import pytest

from cloud66_async import Cloud66, models, resources
from cloud66_async._core.enums import OpenIntEnum
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


# The numbers are those of the API's documentation.
NUMBERS: dict[type[OpenIntEnum], list[tuple[int, str]]] = {
    models.StackStatus: [
        (0, "pending analysis"),
        (1, "deployed"),
        (2, "deployment failed"),
        (3, "analysing"),
        (4, "analysed"),
        (5, "queued for deployment"),
        (6, "deploying"),
        (7, "cannot be analysed"),
    ],
    models.JobStatus: [(0, "updated"), (1, "started"), (2, "success"), (3, "failed")],
    models.BackupStatus: [(0, "ok"), (1, "failed")],
    models.RestoreStatus: [(0, "not restored"), (1, "restoring"), (2, "restored"), (3, "failed")],
    models.VerifyStatus: [
        (0, "not verified"),
        (1, "verifying"),
        (2, "verified"),
        (3, "failed"),
        (4, "could not be verified"),
    ],
    models.Health: [(0, "unknown"), (1, "building"), (2, "impaired"), (3, "healthy"), (4, "failed")],
}


@pytest.mark.parametrize("kind", NUMBERS, ids=lambda kind: kind.__name__)
def test_numbers_of_enumerations(kind: type[OpenIntEnum]) -> None:
    assert [(member.value, str(member)) for member in kind] == NUMBERS[kind]


def test_every_numbered_enumeration_is_checked() -> None:
    kinds = {kind for module in (*MODULES, "common") for kind in public(module).values()}
    assert {kind for kind in kinds if issubclass(kind, OpenIntEnum)} == NUMBERS.keys()
