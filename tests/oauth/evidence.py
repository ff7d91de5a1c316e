"""Everything that an error could reveal in a crash report."""

from __future__ import annotations

import traceback


def package_locals(error: BaseException) -> str:
    """Return the local variables of the package's frames in the traceback, as a crash reporter would show them."""
    lines: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith("cloud66_async."):
            lines.extend(f"{name}={value!r}" for name, value in trace.tb_frame.f_locals.items())
        trace = trace.tb_next
    return "\n".join(lines)


def error_output(error: BaseException) -> str:
    """Return the printed error with its attributes and its chain of causes."""
    parts = ["".join(traceback.format_exception(error))]
    current: BaseException | None = error
    while current is not None:
        parts += [repr(current), repr(current.args), repr(vars(current))]
        current = current.__cause__ or current.__context__
    return "\n".join(parts)
