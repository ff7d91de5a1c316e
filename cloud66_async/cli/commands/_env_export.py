"""The command `env export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...resources.environment_variables import EnvironmentVariable
from ...secret import Secret
from ..lookup.names import full_name
from ..options import DEFAULT_ACCESS, Access, Environment, StackName, Yes
from ..running import run
from ..terminal.console import is_terminal, plain, report, warn
from ..terminal.output import count
from ..terminal.prompts import confirm
from ._env_files import FileFormat, format_variables
from ._env_reading import note_of, read_variables
from ._env_text import print_exactly, write_private

__all__ = ["export"]


def export(
    stack: StackName,
    *,
    environment: Environment = None,
    file_format: Annotated[FileFormat, Parameter(name=["--format", "-f"], help="Format of the text.")] = "dotenv",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File to write, which only its owner can read.")
    ] = None,
    all_: Annotated[
        bool,
        Parameter(
            name="--all",
            negative="",
            show_default=False,
            help="Include the variables that are read-only or that Cloud 66 generates.",
        ),
    ] = False,
    yes: Yes = False,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Write the environment variables, with their secrets, as dotenv, JSON or shell text.

    For example:
      cloud66-async env export web/staging --output web.env
      eval "$(cloud66-async env export web/staging --format shell)"

    The command env apply reads each of the formats. In the format json, every name and value can be expressed.
    """
    found, variables = run(read_variables(access.open(), stack, environment))
    chosen = sorted((one for one in variables if all_ or not note_of(one)), key=lambda one: one.key)
    text = format_variables(_values(chosen), file_format)
    if output is None or output == Path("-"):
        print_exactly(text.reveal().removesuffix("\n"))
    else:
        if output.is_file():
            confirm(f"overwrite {plain(output)}", yes=yes)
        write_private(output, text)
        report(f"{full_name(found)}: {count(len(chosen), 'variable')} written to {plain(output)}")
    left_out = len(variables) - len(chosen)
    if left_out and (output is not None or not is_terminal()):
        warn(f"Left out: {count(left_out, 'variable')}, generated or read-only (--all includes them)")


def _values(variables: list[EnvironmentVariable]) -> dict[str, Secret]:
    """Return the values, without those that the API does not return."""
    missing = [plain(one.key) for one in variables if one.value is None]
    if missing:
        warn(f"Left out, because Cloud 66 does not tell the value: {', '.join(missing)}")
    return {one.key: one.value for one in variables if one.value is not None}
