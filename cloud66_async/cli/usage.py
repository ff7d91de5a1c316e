"""What is wrong with the arguments of a command, as one line."""

from __future__ import annotations

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError
from cyclopts.exceptions import ConsumeMultipleError

__all__ = ["usage_text"]


def usage_text(error: CycloptsError) -> str:
    """Return the message of an error of cyclopts in the form of this program's other messages."""
    match error:
        case UnusedCliTokensError():
            unused = error.unused_tokens or ()
            return f"unexpected argument{'' if len(unused) == 1 else 's'}: {' '.join(unused)}"
        case MissingArgumentError() if not isinstance(error, ConsumeMultipleError) and error.argument is not None:
            return _missing(error)
        case _:
            return _in_our_form(" ".join(str(error).split()))


def _missing(error: MissingArgumentError) -> str:
    """Return which argument is missing, or which option has no value."""
    argument = error.argument
    assert argument is not None
    typed = error.keyword or next((token.keyword for token in reversed(argument.tokens) if token.keyword), None)
    if typed is not None:
        return f"{typed} needs a value"
    if argument.index is not None:  # its place counts, and its name is that of the parameter
        return f"{argument.field_info.name.upper().strip('_')} is missing"
    return f"{argument.name} is missing"


def _in_our_form(text: str) -> str:
    """Return a message in lower case, and without the full stop of a single sentence."""
    lowered = text[:1].lower() + text[1:]
    return lowered.removesuffix(".") if ". " not in lowered else lowered
