"""Reference of the command line, generated from the program itself when a build starts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from cloud66_async.cli.app import app, use_docstring, use_usage
from cloud66_async.cli.tree import TREE

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["PAGES", "commands", "overview", "setup", "shared_options"]

PAGES: Final = {"cli-start": ("Start", "Raw"), "cli-look": ("Look",), "cli-change": ("Change", "Configure")}
"""The groups of commands on each page."""

# Options that many commands have: they are explained once.
_SHARED: Final = {"Login": "login-options", "Output": "output-options"}
_WORDS: Final = {"int": "number", "float": "number", "str": "text"}
_PROGRAM: Final = app.name[0]


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Replace the marks on the pages."""
    sphinx.connect("source-read", _insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _insert(_sphinx: Sphinx, name: str, source: list[str]) -> None:
    if name == "reference/cli":
        source[0] = source[0].replace("<!-- overview -->", overview()).replace("<!-- options -->", shared_options())
    page = name.removeprefix("reference/")
    if page in PAGES:
        source[0] = source[0].replace("<!-- commands -->", commands(page))


def overview() -> str:
    """Return a table of all commands, with links."""
    parts: list[str] = []
    for page, groups in PAGES.items():
        for group in groups:
            rows = [f"| [{name}]({page}.md#{name}) | {text} |" for name, _place, text in TREE[group]]
            parts.append("\n".join([f"| {group.lower()} | |", "| --- | --- |", *rows]))
    return "\n\n".join(parts)


def commands(page: str) -> str:
    """Return the Markdown of the commands on a page: a section for each group."""
    parts: list[str] = []
    for group in PAGES[page]:
        parts.append(f"## {group}")
        for name, _place, _text in TREE[group]:
            use_docstring(name)
            parts += _command(app[name], name, "###")
    return "\n\n".join(parts)


def shared_options() -> str:
    """Return the Markdown of the options that many commands have."""
    groups = _options(app["stacks"])
    parts: list[str] = []
    for title in _SHARED:
        parts += [f"## {title} options", *_listed(groups[title])]
    return "\n\n".join(parts)


def _command(command: Any, name: str, level: str) -> Iterator[str]:
    yield f"{level} {name}"
    yield from map(_paragraph, inspect.cleandoc(command.help).split("\n\n"))
    if command.default_command is not None:
        groups = _options(command)
        use_usage(name.split())
        yield f"```text\n{command.usage or _usage(name, groups)}\n```"
        yield from _listed([option for title, options in groups.items() if title not in _SHARED for option in options])
        also = [f"[{title.lower()} options](cli.md#{_SHARED[title]})" for title in groups if title in _SHARED]
        if also:
            yield f"It also has the {' and the '.join(also)}."
    for inner in command:
        if not inner.startswith("-"):
            yield from _command(command[inner], f"{name} {inner}", "####")


def _paragraph(text: str) -> str:
    """Return a paragraph of a help text: indented lines are commands, below a line such as `For example:`."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("  ")), None)
    if first is not None:
        block = "\n".join(line.strip() for line in lines[first:])
        return "\n".join([*lines[:first], "", f"```console\n{block}\n```"])
    start, example, command = text.partition("For example: ")
    return f"{start}{example.strip()}\n\n```console\n{' '.join(command.split())}\n```" if example else text


def _options(command: Any) -> dict[str, list[Any]]:
    """Return the options of a command by the titles of their groups."""
    found: dict[str, list[Any]] = {}
    for option in command.assemble_argument_collection():
        if option.show:
            found.setdefault(str(option.parameter.group[0].name), []).append(option)
    return found


def _usage(name: str, groups: dict[str, list[Any]]) -> str:
    options = [option for group in groups.values() for option in group]
    words = [_PROGRAM, name, *(_placeholder(option) for option in options if option.required)]
    return " ".join([*words, "[OPTIONS]"] if any(not option.required for option in options) else words)


def _placeholder(option: Any) -> str:
    """Return the placeholder for the value of a required option."""
    names = [str(name) for name in option.names]
    return next((name for name in names if not name.startswith("-")), names[0].lstrip("-").upper())


def _listed(options: Sequence[Any]) -> Iterator[str]:
    """Yield one definition for each option."""
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names)
        text = re.sub(r"(?<!\.)$", ".", (option.parameter.help or "").strip())
        yield f"{names}{_kind(option)}\n: {text}{_notes(option)}"


def _kind(option: Any) -> str:
    kind = getattr(option.hint, "__name__", str(option.hint)).replace(" | None", "")
    return f" *{_WORDS[kind]}*" if kind in _WORDS else ""


def _notes(option: Any) -> str:
    default = option.field_info.default
    notes: list[str] = []
    if option.required:
        notes.append("Required.")
    elif isinstance(default, int | float | str) and not isinstance(default, bool):
        notes.append(f"Default: `{default:g}`." if isinstance(default, float) else f"Default: `{default}`.")
    if option.parameter.env_var:
        notes.append(f"Environment variable: `{option.parameter.env_var[0]}`.")
    return "".join(f" {note}" for note in notes)
