"""Help texts: names on the left, their meaning on the right, wrapped at the width of the terminal.

The help of the whole program is drawn here from the tree of commands. It needs neither cyclopts nor rich, which take
longer to import than everything else.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .terminal.console import print_line
from .tree import DESCRIPTION, TREE

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

__all__ = ["Formatter", "print_help", "print_topic"]

_MIN_WIDTH, _MAX_WIDTH = 40, 100  # longer lines are hard to read
_MAX_NAMES = 30  # wider names stand on a line of their own
_OPTIONS = (("-h, --help", "Show the help of the program or of a command."), ("-V, --version", "Show the version."))
_TOPICS = "Exit codes: cloud66-async help exit-codes"
_EXIT_CODES = (
    ("0", "Success, even if the reader of the output exits early, as with | head."),
    ("1", "Failed: the API refused, the network failed, an action or one of several stacks failed."),
    (
        "2",
        "Wrong usage: an unknown command, option or value, an ambiguous name, nobody to ask. Nothing was changed.",
    ),
    ("3", "Not logged in, or the access token is not accepted."),
    ("4", "Throttled: the hourly quota is used up."),
    ("5", "Not ended in time: what was started may still run."),
    ("130", "Stopped with Ctrl+C. What was started at Cloud 66 goes on."),
    ("143", "Terminated with SIGTERM."),
)


def print_help() -> None:
    """Print the help of the program."""
    print_line("Usage: cloud66-async COMMAND [OPTIONS]\n")
    _print_text(DESCRIPTION)
    for title, commands in (*TREE.items(), ("Options", ())):
        rows = [(name, text) for name, _, text in commands] or _OPTIONS
        _print_section(title, rows)
    print_line(f"Help of a command: cloud66-async COMMAND --help\n{_TOPICS}")


def print_topic(name: str) -> bool:
    """Print the help of a topic. Return False if there is none with this name."""
    if name != "exit-codes":
        return False
    _print_text("Exit codes of every command. Of several stacks, 1 comes before 5, and 5 before 4.")
    _print_section("Codes", _EXIT_CODES)
    return True


class Formatter:
    """Formatter that cyclopts calls for the help of a command."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:  # noqa: ARG002
        """Print one section of options or subcommands."""
        if panel.entries:
            title = str(panel.title).capitalize()
            _print_section(title, [(_names(entry), _meaning(entry)) for entry in panel.entries])

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:  # noqa: ARG002
        """Print how the command is called."""
        if usage:
            print_line(f"Usage: {_text(usage).strip()}\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:  # noqa: ARG002
        """Print what the command does."""
        for paragraph in _text(description).strip().split("\n\n"):
            if paragraph:
                _print_text(paragraph)


def _print_section(title: str, rows: Sequence[tuple[str, str]]) -> None:
    print_line(f"{title}:")
    for line in _columns(rows, _width()):
        print_line(line)
    print_line("")


def _print_text(text: str) -> None:
    """Print a paragraph. Indented lines, such as examples, are left as they are."""
    lines = text.split("\n")
    is_verbatim = any(line.startswith("  ") for line in lines)
    print_line(text if is_verbatim else "\n".join(textwrap.wrap(" ".join(lines), _width())))
    print_line("")


def _columns(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    left = max((len(names) for names, _ in rows if len(names) <= _MAX_NAMES), default=_MAX_NAMES)
    indent = " " * (left + 4)
    for names, meaning in rows:
        lines = textwrap.wrap(meaning, max(20, width - len(indent)), break_on_hyphens=False) or [""]
        if len(names) > left:
            yield f"  {names}"
        else:
            yield f"  {names:<{left}}  {lines.pop(0)}".rstrip()
        yield from (f"{indent}{line}" for line in lines)


def _width() -> int:
    return max(_MIN_WIDTH, min(_MAX_WIDTH, shutil.get_terminal_size().columns))


def _names(entry: HelpEntry) -> str:
    """Return the names of an option as it is typed: short ones first, then the kind of its value."""
    labels: Iterable[str] = (entry.positional_label,) if entry.positional_label else ()
    names = (*entry.positive_shorts, *entry.positive_names, *entry.negative_shorts, *entry.negative_names)
    kind = f" {entry.metavar}" if entry.metavar and not entry.positional_label else ""
    return ", ".join((*labels, *names)) + kind


def _meaning(entry: HelpEntry) -> str:
    notes = [
        f"choices: {', '.join(entry.choices)}" if entry.choices else "",
        f"environment variable: {', '.join(entry.env_var)}" if entry.env_var else "",
        f"default: {_default(entry)}" if entry.default is not None else "",
        "required" if entry.required else "",
    ]
    shown = "; ".join(note for note in notes if note)
    return f"{_text(entry.description).strip()}{f' [{shown}]' if shown else ''}".strip()


def _default(entry: HelpEntry) -> str:
    """Return the default of an option: of one that can be turned off, the name that turns it on."""
    text = _text(entry.default)
    return entry.positive_names[0] if text == "True" and entry.positive_names else text


def _text(value: Any) -> str:
    """Return what cyclopts wants to print as text without styles. It is a text of rich, or several in one object."""
    if value is None:
        return ""
    if hasattr(value, "primary_renderable"):
        return "".join(map(_text, (value.primary_renderable, *value.texts)))
    return str(getattr(value, "plain", value))
