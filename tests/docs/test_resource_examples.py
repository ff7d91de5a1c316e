"""The examples of the resources run against a sandbox, and there is one for every method."""

from __future__ import annotations

import functools
import inspect
import runpy
import sys
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from cloud66_async import resources
from cloud66_async.sandbox import FakeCloud66

from .examples import ROOT, resource_names

sys.path.insert(0, str(ROOT / "docs"))

# Not import statements: type checkers do not look for modules in docs/.
generator = import_module("reference_pages")
EXAMPLES: Path = import_module("reference_methods").EXAMPLES

NAMES = list(resources.modules())
WITHOUT_CONTAINERS = {"processes"}
MOST_LINES = 15


def examples(name: str) -> dict[str, FunctionType]:
    """Return the functions in the file of a resource, in source order."""
    found = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    return {key: value for key, value in found.items() if inspect.iscoroutinefunction(value)}


def methods(name: str) -> set[str]:
    """Return the public methods of a resource."""
    owner: type[Any] = generator._owner(name)
    return {
        method
        for method, value in vars(owner).items()
        if isinstance(value, FunctionType) and not method.startswith("_")
    }


@pytest.fixture
def called(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names of the methods that are called on the resource in the test's parameter `name`."""
    found: set[str] = set()
    name = request.getfixturevalue("name")

    def recorded(method: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            found.add(method)
            return function(*args, **kwargs)

        return call

    owner = generator._owner(name)
    for method in methods(name):
        monkeypatch.setattr(owner, method, recorded(method, getattr(owner, method)))
    return found


@pytest.fixture
async def names(name: str) -> AsyncIterator[dict[str, Any]]:
    """The names that the examples of a resource use: a client of a new sandbox, and identifiers."""
    fake = FakeCloud66()
    fake.seed(6)
    # The seventh stack has a server for its database and two deployments.
    stack = fake.add_stack("web", fields={"framework": "rails" if name in WITHOUT_CONTAINERS else "docker"})
    fake.add_stack("web", environment="staging")
    async with fake.clock.running(), fake.client() as c66:
        started = await c66.stacks.restart(stack.uid)
        await c66.actions.wait(started)
        yield resource_names(c66, stack, started)


def test_every_resource_has_examples() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_examples_run_and_use_every_method(
    name: str,
    called: set[str],
    names: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    called.clear()  # the fixtures call methods, too
    for example in examples(name).values():
        await example(**{name: names[name] for name in inspect.signature(example).parameters})
    assert called == methods(name)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_short_and_on_the_page(name: str) -> None:
    page = generator.pages()[name]
    for example in examples(name).values():
        text = inspect.getdoc(example)
        assert text is not None
        assert text.endswith(".")
        assert f"\n{text.removesuffix('.')}:\n" in page
        _head, _docstring, body = inspect.getsource(example).partition('"""\n')
        assert 1 <= len(body.splitlines()) <= MOST_LINES, example.__name__
        assert body.splitlines()[0].strip() in page
