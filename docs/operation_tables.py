"""The directive `operations`: a table of every operation of the API, made from the tables in the code."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, TypeGuard

from docutils import nodes  # type: ignore[import-untyped,unused-ignore]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import cloud66_async.resources
from cloud66_async.operation import Operation

_HEAD = ("method", "operation", "scope", "repeated")


class Operations(SphinxDirective):
    """A heading and a table for each resource."""

    def run(self) -> list[nodes.Node]:
        """The tables, as if they were written on the page."""
        return self.parse_text_to_nodes("\n".join(_page()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("operations", Operations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _page() -> Iterator[str]:
    for module in _resources():
        resource = module.__name__.rpartition(".")[2]
        yield f"### {resource}\n"
        yield f"{(module.__doc__ or '').strip()}\n"
        yield f"| {' | '.join(_HEAD)} |"
        yield f"|{' --- |' * len(_HEAD)}"
        for name, operation in vars(module).items():
            if _is_operation(operation):
                yield _row(module, resource, name, operation)
        yield ""


def _resources() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(cloud66_async.resources.__path__):
        if not found.name.startswith("_"):
            yield import_module(f"{cloud66_async.resources.__name__}.{found.name}")


def _is_operation(value: object) -> TypeGuard[Operation[Any]]:
    return isinstance(value, Operation)


def _row(module: ModuleType, resource: str, name: str, operation: Operation[Any]) -> str:
    owner = resource.title().replace("_", "")
    method = name.lower()
    if not hasattr(getattr(module, owner), method):
        raise LookupError(f"{module.__name__}.{name} has no method {owner}.{method}")
    cells = (
        f"{{py:meth}}`{resource}.{method} <{module.__name__}.{owner}.{method}>`",
        f"`{operation}`",
        f"`{operation.scope}`" if operation.scope else "none",
        "yes" if operation.repeatable else "no",
    )
    return f"| {' | '.join(cells)} |"
