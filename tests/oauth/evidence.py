"""Everything that an error could reveal in a crash report."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import cast


def package_locals(error: BaseException) -> str:
    """Return the local variables of the package's frames in the traceback, as a crash reporter would show them."""
    lines: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith("cloud66_async."):
            lines.extend(f"{name}={shown(value)}" for name, value in trace.tb_frame.f_locals.items())
        trace = trace.tb_next
    return "\n".join(lines)


def shown(value: object, depth: int = 5) -> str:
    """Return the text that a crash reporter sends: it walks mappings and sequences, and calls `repr` for the rest."""
    if depth and isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return str({str(name): shown(item, depth - 1) for name, item in items})
    if depth and isinstance(value, list | tuple | set):
        return str([shown(item, depth - 1) for item in cast("Iterable[object]", value)])
    return repr(value)


def error_output(error: BaseException) -> str:
    """Return the printed error with its attributes and its chain of causes."""
    parts = ["".join(traceback.format_exception(error))]
    current: BaseException | None = error
    while current is not None:
        parts += [repr(current), repr(current.args), repr(vars(current))]
        current = current.__cause__ or current.__context__
    return "\n".join(parts)
