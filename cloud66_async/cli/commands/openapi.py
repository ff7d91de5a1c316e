"""The command `openapi`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...openapi import openapi as document
from ..exits import OutputError
from ..terminal.console import print_line

__all__ = ["openapi"]


def openapi(
    *, output: Annotated[Path | None, Parameter(help="File to write; the default is standard output.")] = None
) -> None:
    """Print the API as an OpenAPI 3.1 document in JSON."""
    _write(output)


def _write(output: Path | None) -> None:
    """Write the OpenAPI document to a file, or print it."""
    text = json.dumps(document(), indent=2)
    if output is None:
        print_line(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {str(output)!r}: {error.strerror}; choose another file") from None
