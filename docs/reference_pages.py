"""Reference pages of the resources, one per module, generated from the code when a build starts."""

from __future__ import annotations

import enum
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs
from reference_methods import examples, methods

import cloud66_async.models
from cloud66_async import resources
from cloud66_async._core.model import IsoTimestamp, Model, Timestamp
from cloud66_async.openapi.descriptions import Source, describe
from cloud66_async.operation import Operation
from cloud66_async.resources._resource import Resource
from cloud66_async.secret import Secret

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["FOLDER", "pages", "setup", "type_aliases", "write"]

FOLDER = Path(__file__).parent / "reference" / "resources"
"""Where the pages are written. Git ignores the folder."""

_COMMON = "common"
_DASH = "–"
_METHODS = ("GET ", "POST ", "PUT ", "PATCH ", "DELETE ")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for source files. Let browsers break paths before a slash."""
    app.connect("builder-inited", lambda _app: write())
    app.connect("doctree-resolved", lambda _app, document, _name: _allow_breaks(document))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _allow_breaks(document: Any) -> None:
    nodes: Any = import_module("docutils.nodes")  # it has no types, and the tests of the pages do without it
    for literal in list(document.findall(nodes.literal)):
        first, *others = literal.astext().split("/")
        if first in _METHODS:
            literal.children = [nodes.Text(first)]
            for part in others:
                literal += [nodes.raw("", "<wbr>", format="html"), nodes.Text(f"/{part}")]


def write(folder: Path = FOLDER) -> None:
    """Write every page that has changed, and delete the pages of resources that no longer exist."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{name}.md": text for name, text in pages().items()}
    for path in set(folder.glob("*.md")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return the Markdown of every page by file name without its suffix."""
    found = {name: _join(_page(name)) for name in (*resources.modules(), _COMMON)}
    return {"index": _join(_index()), **found}


def type_aliases() -> dict[str, str]:
    """Return the names that signatures keep instead of what they stand for, each with its full name."""
    modules = map(_module, (*resources.modules(), _COMMON))
    return {
        name: f"{module.__name__}.{name}"
        for module in modules
        for name, value in _public(module).items()
        if typing.get_origin(value) is typing.Literal
    }


# --- pages ---------------------------------------------------------------------------------------


def _join(parts: Iterator[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _index() -> Iterator[str]:
    yield "# All operations"
    yield (
        "Every operation of the API that the SDK supports, by resource. *Scope* is the scope that Cloud 66's "
        f"documentation requires; {_DASH} means that it names none. An *asynchronous* operation starts an action, "
        "which {py:meth}`Actions.wait <cloud66_async.resources.actions.Actions.wait>` waits for. *Retried* tells "
        "whether the SDK sends the request again after a lost connection, a timeout or a server error. See "
        "[Automatic retries](../../how-to/errors.md#automatic-retries) for the exact rules."
    )
    yield (
        "Parameters that are not in the path are sent in the query of GET and DELETE requests, and in the body of "
        "others, as JSON."
    )
    for name in resources.modules():
        title, _ = _introduction(_module(name))
        yield f"## [{title}]({name}.md)"
        yield from _operations(name)


def _page(name: str) -> Iterator[str]:
    module = _module(name)
    title, text = _introduction(module)
    yield f"# {title}"
    yield text
    public = _public(module)
    models = [value for value in public.values() if _is_a(value, Model)]
    owners = [value for value in public.values() if _is_a(value, Resource)]
    for owner in owners:
        where = " Import the models from `cloud66_async.models`." if models else ""
        yield f"An open client `c66` has these methods as `c66.{name}`.{where}"
        yield "## Examples"
        yield from examples(name)
        yield "## Methods"
        yield "[All operations](index.md) explains *scope*, *asynchronous* and *retried*."
        yield _rst(_directive(owner, inspect.getdoc(owner) or "", methods(owner, _own_operations(name), _type)))
    if models:
        yield "## Models"
        for model in models:
            yield from _model(model)
    enumerations = [value for value in public.values() if _is_a(value, enum.Enum)]
    if enumerations:
        yield "## Enumerations"
        for enumeration in enumerations:
            yield from _enumeration(enumeration)
    listed = (*models, *owners, *enumerations)
    others = {key: value for key, value in public.items() if value not in listed}
    errors = [value for value in others.values() if _is_a(value, BaseException)]
    if errors:
        yield "## Errors"
        yield _rst("\n".join(f".. autoexception:: {_full_name(error)}" for error in errors))
    if len(others) > len(errors):
        yield "## Other types"
        for key, value in others.items():
            if value not in errors:
                yield from _other(module, key, value)


def _module(name: str) -> ModuleType:
    return import_module(f"{resources.__name__}.{name}")


def _introduction(module: ModuleType) -> tuple[str, str]:
    """Return the title and the text of a page. Module docstrings start with the resource's name and a colon."""
    text = inspect.cleandoc(module.__doc__ or "")
    title, colon, rest = text.partition(": ")
    if colon and "\n" not in title and len(title) < 40:
        return title, rest[0].upper() + rest[1:]
    return ("Common models" if module is _module(_COMMON) else text.partition(".")[0]), text


def _public(module: ModuleType) -> dict[str, Any]:
    """Return the public names of a module in source order."""
    return {name: value for name, value in vars(module).items() if name in module.__all__}


def _is_a(value: object, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _rst(text: str) -> str:
    return f"```{{eval-rst}}\n{text}\n```"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _described(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table whose last column is left out if it is empty."""
    width = len(header) if any(row[-1] for row in rows) else len(header) - 1
    return _table(header[:width], [row[:width] for row in rows])


# --- operations ----------------------------------------------------------------------------------


def _operations(resource: str) -> Iterator[str]:
    rows = [
        _operation(name, operation)
        for name, operation in resources.operations(variants=True)
        if name.startswith(f"{resource}.")
    ]
    yield "{.operations}\n" + _table(("method", "request", "scope", "asynchronous", "retried"), rows)


def _own_operations(resource: str) -> dict[str, Operation[Any]]:
    """Return the operations of a resource and their variants by the names of the methods."""
    named = (((name.partition(".")), operation) for name, operation in resources.operations(variants=True))
    return {method: operation for (owner, _, method), operation in named if owner == resource}


def _operation(name: str, operation: Operation[Any]) -> tuple[str, ...]:
    methods = list(_methods(name, operation))
    if not methods:
        raise LookupError(f"no method for the operation {name}; add one to its resource")
    return (
        ", ".join(_link(name, owner, method) for owner, method in methods),
        f"`{operation}`",
        f"`{operation.scope}`" if operation.scope else _DASH,
        "yes" if operation.asynchronous else "no",
        "yes" if operation.repeatable else "no",
    )


def _link(name: str, owner: type[Any], method: str) -> str:
    """Return a link to a method, with the name of its resource if that is another than the operation's."""
    resource = owner.__module__.rpartition(".")[2]
    text = method if name.startswith(f"{resource}.") else f"{resource}.{method}"
    return f"{{py:meth}}`{text} <{_full_name(owner)}.{method}>`"


def _methods(name: str, operation: Operation[Any]) -> Iterator[tuple[type[Any], str]]:
    """Yield the method of an operation, or else those of its variants, with their classes."""
    resource, _, method = name.partition(".")
    if hasattr(_owner(resource), method):
        yield _owner(resource), method
        return
    for variant, other in resources.operations(variants=True):
        if other.base is operation:
            yield from _methods(variant, other)


def _owner(resource: str) -> type[Any]:
    """Return the class with the methods of a resource."""
    owner: type[Any] = next(value for value in _public(_module(resource)).values() if _is_a(value, Resource))
    return owner


# --- models --------------------------------------------------------------------------------------


def _model(model: type[Any]) -> Iterator[str]:
    found = describe(model, attrs.fields_dict(model))
    yield f"### {model.__name__}"
    yield _rst(_directive(model, found.text, _members(model)))
    hints = typing.get_type_hints(model, include_extras=True)
    rows = [
        (
            f"`{field.name}`",
            _type(hints[field.name]),
            "required" if field.default is attrs.NOTHING else f"`{field.default!r}`",
            found.attributes[field.name] or _automatic(field.name, hints),
        )
        for field in attrs.fields(model)
    ]
    yield "{.fields}\n" + _described(("field", "type", "default", "description"), rows)


def _enumeration(kind: type[enum.Enum]) -> Iterator[str]:
    found = describe(kind, kind.__members__)
    yield f"### {kind.__name__}"
    yield _rst(_directive(kind, found.text, ""))
    rows = [(f"`{name}`", f"`{member.value!r}`", found.attributes[name]) for name, member in kind.__members__.items()]
    yield _described(("member", "value", "description"), rows)


def _other(module: ModuleType, name: str, value: Any) -> Iterator[str]:
    yield f"### {name}"
    if typing.get_origin(value) is typing.Literal:
        text = Source(inspect.getsource(module)).after(name) or ""
        yield _rst(f".. py:type:: {name}\n   :module: {module.__name__}\n   :no-contents-entry:\n\n   {text}")
        yield "One of " + ", ".join(f"`{choice!r}`" for choice in typing.get_args(value)) + "."
    elif isinstance(value, type):
        yield _rst(_directive(value, describe(value, {}).text, _members(value)))
    else:
        yield _rst(f".. autofunction:: {module.__name__}.{name}")


def _directive(kind: type[Any], text: str, members: str) -> str:
    """Return the directive that describes a class. autodoc's would add a second entry to the page's contents."""
    public, defined = _full_name(kind), f"{kind.__module__}.{kind.__qualname__}"
    module, _, name = public.rpartition(".")
    options = f"   :module: {module}\n   :no-contents-entry:\n"
    if public != defined:
        options += f"   :canonical: {defined}\n"
    body = textwrap.indent(f"{text}\n\n{members}".rstrip(), "   ")
    return f".. py:class:: {name}\n{options}\n{body}"


def _members(kind: type[Any]) -> str:
    """Return directives for the properties and methods of a class."""
    return "\n".join(
        f".. {'autoproperty' if isinstance(value, property) else 'automethod'}:: {_full_name(kind)}.{name}"
        for name, value in vars(kind).items()
        if not name.startswith("_") and isinstance(value, property | types.FunctionType)
    )


def _full_name(kind: type[Any]) -> str:
    """Return the name under which users import a class."""
    if kind.__name__ in dir(cloud66_async.models):
        return f"{cloud66_async.models.__name__}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


# --- types ---------------------------------------------------------------------------------------


def _type(hint: Any) -> str:  # noqa: PLR0911  one line for each kind
    """Return a type as readers know it, without None and with a link to each class of the SDK."""
    if hint in (Timestamp, IsoTimestamp):
        return f"`{datetime.__name__}`"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not types.NoneType)
    if origin is typing.Literal:
        return " or ".join(f"`{argument!r}`" for argument in arguments)
    if origin is tuple:
        return f"`tuple` of {_type(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"`dict` of {_type(arguments[1])}" if arguments[1] is not Any else "`dict`"
    if origin is not None:
        return f"`{origin.__name__}` of {' and '.join(map(_type, arguments))}"
    if hint is Any:
        return "any"
    name = getattr(hint, "__name__", str(hint))
    if getattr(hint, "__module__", "").startswith("cloud66_async."):
        return f"{{py:class}}`~{_full_name(hint)}`"
    return f"`{name}`"


def _automatic(name: str, hints: Mapping[str, Any]) -> str:
    """Return a description for a field whose class has none, if its type says something about it."""
    hint = hints[name]
    twin = name.removesuffix("_iso")
    if twin != name and twin in hints:
        return f"ISO 8601 form of `{twin}`, which has the same value."
    if Secret in (hint, *typing.get_args(hint)):
        return "Redacted in all output; `reveal()` returns the value."
    return ""
