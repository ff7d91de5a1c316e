"""What is wrong with the arguments of a command, as one line."""

from __future__ import annotations

from cyclopts import CycloptsError, MissingArgumentError, UnknownOptionError, UnusedCliTokensError
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
        case UnknownOptionError():
            return _unknown(error)
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


def _unknown(error: UnknownOptionError) -> str:
    """Return which option is unknown, and the most similar one. The dashes that all have make none similar."""
    typed = (error.token.keyword or error.token.value).partition("=")[0]
    text = f"unknown option: {typed}"
    if not typed.startswith("--"):
        return text
    import difflib  # imported lazily: takes 4 ms

    known = {name[2:]: name for argument in error.argument_collection for name in argument.names if name[:2] == "--"}
    close = difflib.get_close_matches(typed[2:], known, 1)
    return f"{text}. Did you mean {known[close[0]]}?" if close else text


def _in_our_form(text: str) -> str:
    """Return a message in lower case, and without the full stop of a single sentence."""
    lowered = text[:1].lower() + text[1:]
    return lowered.removesuffix(".") if ". " not in lowered else lowered
