"""Environment variables as text: files in three formats, and single values from files and from standard input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NoReturn, cast

from ...dotenv import format_dotenv, parse_dotenv
from ...errors import ConfigError
from ...secret import Secret
from ..exits import USAGE, CommandError
from ..terminal.console import plain, warn

__all__ = ["FileFormat", "format_of", "format_variables", "parse_variables", "read_source"]

FileFormat = Literal["dotenv", "json", "shell"]

_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The words that `_quote` writes, and those that need no quotes. Anything else would have to be expanded by a shell.
_SHELL_LINE = re.compile(
    r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)="
    r"""((?:'[^']*'|\\'|"'"|[\w@%+=:,./-])*+)(?:[ \t]+\#[^\n]*)?[ \t]*(?:\r?\n|\Z)"""
)
_SHELL_COMMENT = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_SHELL_WORD = re.compile(r"""'([^']*)'|\\(')|"(')"|([^'"\\])""")


# --- files and standard input --------------------------------------------------------------------


def read_source(source: str) -> Secret:
    """Return the text of a file, or of standard input if it is called `-`. Raises CommandError."""
    if source == "-":
        data = _read_input()
    else:
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "the path is invalid"
            raise CommandError(f"cannot read {plain(source)}: {reason}", code=USAGE) from None
    try:
        return Secret(data.decode())
    except UnicodeDecodeError:
        name = "standard input" if source == "-" else plain(source)
        raise CommandError(f"cannot read {name}: it is not UTF-8 text", code=USAGE) from None


def _read_input() -> bytes:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # closed, for example with `<&-`
        raise CommandError("cannot read standard input: it is closed", code=USAGE)
    if sys.stdin.isatty():
        warn("Reading from standard input; end with Ctrl+D")
    return sys.stdin.buffer.read()


# --- formats -------------------------------------------------------------------------------------


def format_of(source: str, text: Secret) -> FileFormat:
    """Return the format of a file by its name, or else by its text."""
    suffix = Path(source).suffix.lower()
    if suffix in {".json", ".sh"}:
        return "json" if suffix == ".json" else "shell"
    return "json" if text.reveal().removeprefix("\ufeff").lstrip().startswith("{") else "dotenv"


def parse_variables(text: Secret, file_format: FileFormat, source: str) -> dict[str, Secret]:
    """Return the variables in the text of a file. Raises CommandError, whose message contains no value."""
    name = "standard input" if source == "-" else plain(source)
    try:
        match file_format:
            case "dotenv":
                return parse_dotenv(text)
            case "json":
                return dict(_parse_json(text))
            case "shell":
                return dict(_parse_shell(text))
    except ConfigError:  # python-dotenv is missing
        raise
    except ValueError as error:
        raise CommandError(f"cannot read {name} as {file_format}: {error}", code=USAGE) from None


def format_variables(values: Mapping[str, Secret], file_format: FileFormat) -> Secret:
    """Return the text of a file with these variables. Raises CommandError if the format cannot express one."""
    try:
        match file_format:
            case "dotenv":
                return Secret(format_dotenv(values))
            case "json":
                plain_values = {name: value.reveal() for name, value in values.items()}
                return Secret(json.dumps(plain_values, indent=2, ensure_ascii=False) + "\n")
            case "shell":
                return Secret("".join(_shell_lines(values)))
    except ValueError as error:
        raise CommandError(str(error), "Use another format: --format json") from None


def _parse_json(text: Secret) -> Iterator[tuple[str, Secret]]:
    """Yield the variables in a JSON object. Numbers keep the digits that they are written with."""
    try:
        found = json.loads(
            text.reveal().removeprefix("\ufeff"), parse_int=str, parse_float=str, parse_constant=_reject_constant
        )
    except json.JSONDecodeError as error:  # it holds the text
        problem = f"{error.msg} in line {error.lineno}"
        raise ValueError(problem) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("expected an object with one value for each variable")  # noqa: TRY004  bad data
    for name, value in cast("dict[str, object]", found).items():
        if isinstance(value, bool):
            yield name, Secret("true" if value else "false")
        elif isinstance(value, str):
            yield name, Secret(value)
        else:
            raise ValueError(f"the value of {plain(name)!r} is neither text nor a number")  # noqa: TRY004  bad data


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_shell(text: Secret) -> Iterator[tuple[str, Secret]]:
    """Yield the variables in lines such as `export NAME='value'`. Nothing is expanded."""
    content, position = text.reveal().removeprefix("\ufeff"), 0
    while position < len(content):
        comment = _SHELL_COMMENT.match(content, position)
        line = None if comment is not None else _SHELL_LINE.match(content, position)
        if line is not None:
            yield line[1], Secret(_SHELL_WORD.sub(lambda word: "".join(word.groups("")), line[2]))
        found = comment or line
        if found is None:
            number = content.count("\n", 0, position) + 1
            raise ValueError(f"line {number} is not of the form export NAME='value'")
        position = found.end()


def _shell_lines(values: Mapping[str, Secret]) -> Iterator[str]:
    for name, value in values.items():
        if _SHELL_NAME.fullmatch(name) is None or "\0" in value.reveal():
            raise ValueError(f"cannot write {plain(name)!r} as shell: its name or a character is not allowed there")
        quoted = value.reveal().replace("'", "'\\''")
        yield f"export {name}='{quoted}'\n"
