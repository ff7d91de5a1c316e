"""What the methods of the resources say about their operations: summaries, and descriptions of parameters."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from .. import errors, resources
from ..resources._resource import Resource
from .descriptions import SENTENCE_GAP, Source, arguments

__all__ = ["Text", "about_the_api", "operation_text", "resource_text", "type_text"]

# Sentences about the SDK: those with its names, and everything after one that mentions it.
_SENTENCE = re.compile(
    r"`Actions\.\w+`|`\w+=\w+`|\b(?:Raises|retried|redacted)\b|^Return the action\b(?! with)"
    rf"|\b(?:{'|'.join(errors.__all__)})\b"
)
_REST = re.compile(r"\bSDK\b")
_PYTHON_NAME = re.compile(r"\b(None|True|False)\b")
_JSON_NAMES = {"None": "null", "True": "true", "False": "false"}


class Text(NamedTuple):
    """The summary and the description of an operation, and the descriptions of its parameters by name."""

    summary: str
    description: str
    parameters: Mapping[str, str]


def about_the_api(text: str) -> str:
    """Return a docstring without the sentences that are about the SDK, not about the API."""
    kept = gap = ""
    for part in SENTENCE_GAP.split(text):
        if part.isspace():
            gap = gap if "\n\n" in gap else part  # a paragraph also ends if its last sentence is left out
        elif _REST.search(part) is not None:
            break
        elif _SENTENCE.search(part) is None:
            kept += f"{gap if kept else ''}{part}"
            gap = ""
    return _PYTHON_NAME.sub(lambda found: _JSON_NAMES[found[0]], kept).strip()


def operation_text(name: str) -> Text:
    """Return what the method of an operation says, or the operation's name if it has no method."""
    resource, _, operation = name.partition(".")
    method = getattr(_owner(resource), operation, None)
    parameters, doc = arguments("" if method is None else inspect.getdoc(method) or "")
    summary, *rest = SENTENCE_GAP.split(about_the_api(doc))
    title = operation.replace("_", " ").capitalize()
    return Text(" ".join(summary.split()).removesuffix(".") or title, "".join(rest).strip(), parameters)


def resource_text(resource: str) -> str:
    """Return the description of a resource."""
    return about_the_api(inspect.getdoc(_owner(resource)) or "")


def type_text(kind: Any) -> str:
    """Return the description of a named `Literal`, or nothing for another type."""
    return _literals().get(kind, "") if typing.get_origin(kind) is typing.Literal else ""


@cache
def _literals() -> Mapping[Any, str]:
    found: dict[Any, str] = {}
    for name in (*resources.modules(), "common"):
        module = _module(name)
        source = Source(inspect.getsource(module))
        for public in module.__all__:
            value = getattr(module, public)
            if typing.get_origin(value) is typing.Literal:
                found.setdefault(value, source.after(public) or "")
    return found


def _owner(resource: str) -> type[Resource]:
    module = _module(resource)
    public = [getattr(module, name) for name in module.__all__]
    return next(value for value in public if isinstance(value, type) and issubclass(value, Resource))


def _module(name: str) -> Any:
    return import_module(f"{resources.__name__}.{name}")
