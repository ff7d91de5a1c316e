"""What an error would show to somebody who looks closely."""

from __future__ import annotations

import traceback


def own_locals(error: BaseException) -> str:
    """The local variables of our own frames in the error's traceback, as a crash reporter would show them."""
    shown: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith("cloud66_async."):
            shown.extend(f"{name}={value!r}" for name, value in trace.tb_frame.f_locals.items())
        trace = trace.tb_next
    return "\n".join(shown)


def everything(error: BaseException) -> str:
    """The error as it is printed, with its attributes and everything that it came from."""
    parts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        parts += [repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)
