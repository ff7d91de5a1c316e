"""The methods and the examples of a resource, for its reference page."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cloud66_async
from cloud66_async import resources
from cloud66_async._core.model import Model
from cloud66_async._core.parameters import Parameter
from cloud66_async.openapi.descriptions import arguments
from cloud66_async.operation import Operation

__all__ = ["EXAMPLES", "examples", "facts", "methods", "returned", "without_parameters"]

EXAMPLES = Path(__file__).parent / "examples" / "resources"
"""Where the examples are: one file for each resource, with one function for each example."""

_CLIENT = "c66"
_NO_BREAK = "\N{NO-BREAK SPACE}"
_DEFAULT_TEXTS = {"stack": "uid of the stack."}
_OTHER_NAMES = {
    "stack": "the uid of a stack",
    "account": "the ID of an account",
    "server": "the uid of a server",
    "group": "the ID of a server group",
    "user": "the ID of a user",
    "operation": "the uid of an operation",
    "uids": "a list of uids of stacks",
}
# Signatures name these types, but the modules import them only for type checkers.
_NAMES = {name: getattr(cloud66_async, name) for name in cloud66_async.__all__} | {"Resources": resources.Resources}
_ROLE = re.compile(r"\{(py:\w+)\}`")

TypeText = Callable[[Any], str]


# --- examples ------------------------------------------------------------------------------------


def examples(resource: str) -> Iterator[str]:
    """Yield the paragraphs and code blocks of a resource's examples, in Markdown."""
    source = (EXAMPLES / f"{resource}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    given = {argument.arg for function in functions for argument in function.args.args}
    others = [f"`{name}` is {text}" for name, text in _OTHER_NAMES.items() if name in given]
    yield f"In the examples, {_listed([f'`{_CLIENT}` is an open client', *others])}."
    for function in functions:
        yield f"{(ast.get_docstring(function) or '').removesuffix('.')}:"
        yield f"```python\n{_code(source, tree, function)}\n```"


def _code(source: str, tree: ast.Module, function: ast.AsyncFunctionDef) -> str:
    """Return the body of an example below the imports that it needs."""
    used = {node.id for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
    imports = [
        f"from {node.module} import {', '.join(names)}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (names := [item.name for item in node.names if item.name in used])
    ]
    lines = source.splitlines()[function.body[1].lineno - 1 : function.end_lineno]
    body = textwrap.dedent("\n".join(lines))
    return "\n".join((*imports, "", body) if imports else (body,))


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])}, and {items[-1]}"


# --- methods -------------------------------------------------------------------------------------


def methods(owner: type[Any], operations: Mapping[str, Operation[Any]], type_text: TypeText) -> str:
    """Return directives for the methods of a resource in reStructuredText.

    A signature has no types of parameters: they are in the list below it, together with the values that are allowed.
    """
    return "\n".join(
        _method(name, function, operations.get(name), type_text)
        for name, function in vars(owner).items()
        if isinstance(function, types.FunctionType) and not name.startswith("_")
    )


def _method(name: str, function: types.FunctionType, operation: Operation[Any] | None, type_text: TypeText) -> str:
    described, text = arguments(inspect.getdoc(function) or "")
    parts = [text]
    if operation is not None:
        parts.append(f".. container:: request\n\n   {facts(operation)}")
    parts.append("\n".join(_parameters(function, operation, described, type_text)))
    options = "   :single-line-parameter-list:\n"
    if inspect.iscoroutinefunction(function):
        options += "   :async:\n"
    body = textwrap.indent("\n\n".join(parts), "   ")
    return f".. py:method:: {name}{without_parameters(function)} -> {returned(function)}\n{options}\n{body}\n"


def facts(operation: Operation[Any]) -> str:
    """Return the request of an operation, its scope, and whether it is asynchronous and retried, on one line."""
    found = [
        f"``{operation}``",
        f"scope:{_NO_BREAK}``{operation.scope}``" if operation.scope else f"scope:{_NO_BREAK}–",
        f"asynchronous:{_NO_BREAK}{'yes' if operation.asynchronous else 'no'}",
        f"retried:{_NO_BREAK}{'yes' if operation.repeatable else 'no'}",
    ]
    found += [f"always sends ``{name}: {value}``" for name, value in operation.fixed.items()]
    if operation.wrapper is not None:
        found.append(f"body inside ``{operation.wrapper}``")
    return " · ".join(found)


def without_parameters(function: types.FunctionType) -> str:
    """Return the parameters of a method with their defaults, but without types."""
    _self, *parameters = inspect.signature(function).parameters.values()
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(plain))


def returned(function: types.FunctionType) -> str:
    """Return the type of a method's result, with full names that are shown without their modules."""
    return _annotation(_hints(function)["return"])


def _annotation(hint: Any) -> str:
    if hint is types.NoneType:
        return "None"
    origin = typing.get_origin(hint)
    if origin is not None:
        return f"{_annotation(origin)}[{', '.join(map(_annotation, typing.get_args(hint)))}]"
    if hint is Any:
        return "Any"
    return hint.__name__ if hint.__module__ == "builtins" else f"~{hint.__module__}.{hint.__qualname__}"


def _hints(function: types.FunctionType) -> dict[str, Any]:
    return typing.get_type_hints(function, localns=_NAMES, include_extras=True)


# --- parameters ----------------------------------------------------------------------------------


def _parameters(
    function: types.FunctionType,
    operation: Operation[Any] | None,
    described: Mapping[str, str],
    type_text: TypeText,
) -> Iterator[str]:
    """Yield a field for each parameter of a method."""
    hints = _hints(function)
    sent = _sent(function, operation)
    _self, *parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        name, hint = parameter.name, hints[parameter.name]
        kind = _ROLE.sub(r":\1:`", _allowed(hint, type_text))
        optional = "" if parameter.default is inspect.Parameter.empty else ", optional"
        notes = [
            described.get(name, _DEFAULT_TEXTS.get(name, "")),
            *(_note(name, target, hint, type_text) for target in sent.get(name, ())),
        ]
        yield f":param {name}: {' '.join(filter(None, notes))}"
        yield f":type {name}: {kind}{optional}"


def _allowed(hint: Any, type_text: TypeText) -> str:
    """Return the type of a parameter with the values that it can have."""
    *others, last = _alternatives(hint, type_text)
    return f"{', '.join(others)} or {last}" if others else last


def _alternatives(hint: Any, type_text: TypeText) -> list[str]:  # noqa: PLR0911  one line for each kind
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if hint is types.NoneType:
        return []
    if origin is typing.Literal:
        return [f"`{choice!r}`" for choice in choices]
    if origin in (typing.Union, types.UnionType):
        return [text for choice in choices for text in _alternatives(choice, type_text)]
    if origin is Callable:
        return ["`Callable`"]
    if origin is not None and len(choices) == 1:
        return [f"`{origin.__name__}` of {_allowed(choices[0], type_text)}"]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [f"{type_text(hint)} ({', '.join(f'`{member.name}`' for member in hint)})"]
    return [type_text(hint)]


def _note(name: str, target: Parameter | str, hint: Any, type_text: TypeText) -> str:
    """Return what is sent for a parameter if its name and its type do not tell."""
    if isinstance(target, str):
        return f"``{target}`` in the path." if target.startswith("{") else f"Sent as ``{target}``."
    note = f"Sent as ``{target.name}``." if target.name != name else ""
    inner = target.fields or (target.item.fields if target.item is not None else None)
    if inner is None or _mentions_model(hint) or target.name != name:
        return note
    return f"Fields: {', '.join(_field(each, type_text) for each in inner)}."


def _field(parameter: Parameter, type_text: TypeText) -> str:
    optional = "" if parameter.required else ", optional"
    return f"``{parameter.name}`` ({_allowed(parameter.kind, type_text)}{optional})"


def _mentions_model(hint: Any) -> bool:
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return issubclass(hint, Model)
    return any(map(_mentions_model, typing.get_args(hint)))


def _sent(function: types.FunctionType, operation: Operation[Any] | None) -> Mapping[str, list[Parameter | str]]:
    """Return what each parameter of a method is sent as: a parameter of the operation, or a place in the path."""
    if operation is None:
        return {}
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    declared = {each.name: each for each in (*operation.query_parameters, *operation.body_parameters)}
    origins = _origins(tree)
    found: dict[str, list[Parameter | str]] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            target = declared.get(keyword.arg or "")
            if target is None and keyword.arg not in operation.names:
                continue
            for name in _names(keyword.value, origins):
                fields = target.fields if target is not None else None
                inside = any(field.name == name for field in fields or ())
                found.setdefault(name, []).append(f"{keyword.arg}.{name}" if inside else target or f"{{{keyword.arg}}}")
    # Only one note is needed, and none about another place for a parameter that is also sent under its own name.
    return {
        name: [item for item in items if item is declared.get(name, item)][:1]
        for name, items in found.items()
        if name not in operation.names
    }


def _origins(tree: ast.AST) -> Mapping[str, set[str]]:
    """Return the names that the value of each local variable is made from."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            for target in targets:
                found.setdefault(target, set()).update(used)
    return found


def _names(value: ast.AST, origins: Mapping[str, set[str]]) -> list[str]:
    """Return the names that a value is made from, also by way of local variables."""
    waiting = [name.id for name in ast.walk(value) if isinstance(name, ast.Name)]
    found: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += sorted(origins.get(name, ()))
    return found
