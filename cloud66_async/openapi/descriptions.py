"""Descriptions of classes and of their attributes, from docstrings and comments in the source."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tokenize
from collections.abc import Mapping
from io import StringIO
from typing import Any, NamedTuple

__all__ = ["SENTENCE_GAP", "Description", "Source", "arguments", "describe"]

_NOTE = re.compile(r"(noqa|type:|pyright:|fmt:|pragma:)")
SENTENCE_GAP = re.compile(r"((?<=[.!?])\s+(?=[A-Z`]))")
_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class Description(NamedTuple):
    """The text of a class, and the descriptions of its attributes."""

    text: str
    attributes: Mapping[str, str]


def describe(kind: type[Any], names: Mapping[str, object]) -> Description:
    """Return the docstring of a class and the descriptions of these attributes.

    A description is an entry of the docstring's `Args:`, a string after the attribute, a comment beside or above it,
    or the docstring's sentences that name it. Those sentences are not part of the text.
    """
    source = Source(textwrap.dedent(inspect.getsource(kind)))
    doc = inspect.cleandoc(kind.__doc__ or "")
    entries, text = arguments(doc)
    if not entries.keys() & names.keys():
        text = doc
    found = {name: _sentence(entries.get(name) or source.after(name) or source.comment(name) or "") for name in names}
    text, *details = SENTENCE_GAP.split(text)
    for gap, sentence in zip(details[::2], details[1::2], strict=True):
        named = [name for name in names if f"`{name}`" in sentence]
        for name in named:
            found[name] = " ".join(filter(None, (found[name], _one_line(sentence))))
        if not named:
            text += gap + sentence
    return Description(text, found)


def arguments(text: str) -> tuple[Mapping[str, str], str]:
    """Return the entries of a docstring's `Args:`, and the docstring without them."""
    entries: dict[str, str] = {}
    for section in _SECTION.finditer(text):
        entries |= {name: _one_line(entry) for name, entry in _ENTRY.findall(section[1])}
    return entries, _SECTION.sub("", text).strip()


def _sentence(text: str) -> str:
    """Return a comment as a sentence, with a capital letter and a full stop."""
    if not text:
        return text
    start = text if text.startswith(("uid ", "`")) else text[0].upper() + text[1:]
    return start if start.endswith((".", "!", "?")) else f"{start}."


def _one_line(text: str) -> str:
    return " ".join(text.split())


class Source:
    """The attributes of a class or module as its source describes them."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        first = tree.body[0]
        body = first.body if len(tree.body) == 1 and isinstance(first, ast.ClassDef) else tree.body
        self._lines = text.splitlines()
        self._statements: dict[str, tuple[ast.stmt, ast.stmt | None]] = {}
        for statement, following in zip(body, [*body[1:], None], strict=True):
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                    self._statements[name] = statement, following
                case _:
                    pass
        self._comments = {
            token.start[0]: token.string.lstrip("#: ").strip()
            for token in tokenize.generate_tokens(StringIO(text).readline)
            if token.type == tokenize.COMMENT and not _NOTE.match(token.string.lstrip("#: "))
        }

    def after(self, name: str) -> str | None:
        """Return the string that follows the attribute."""
        match self._statements.get(name, (None, None))[1]:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                return _one_line(text)
            case _:
                return None

    def comment(self, name: str) -> str | None:
        """Return the comment on the attribute's line, or else the lines of comments directly above it."""
        if name not in self._statements:
            return None
        statement, _ = self._statements[name]
        if (statement.end_lineno or 0) in self._comments:
            return self._comments[statement.end_lineno or 0]
        above: list[str] = []
        number = statement.lineno - 1
        while number in self._comments and self._lines[number - 1].lstrip().startswith("#"):
            above.insert(0, self._comments[number])
            number -= 1
        return " ".join(above) or None
