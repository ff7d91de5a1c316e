"""The command `openapi`."""

from __future__ import annotations

import json
from pathlib import Path

from ..openapi import openapi
from .console import OutputError, print_line

__all__ = ["write"]


def write(output: Path | None) -> None:
    """Write the OpenAPI document to a file, or print it."""
    text = json.dumps(openapi(), indent=2)
    if output is None:
        print_line(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {str(output)!r}: {error.strerror}; choose another file") from None
