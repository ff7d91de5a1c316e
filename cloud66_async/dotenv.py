"""Environment variables as dotenv text, in the format of `python-dotenv`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from .errors import ConfigError
from .secret import Secret, conceal

__all__ = ["format_dotenv", "parse_dotenv"]

_KEY = re.compile(r"(?!\ufeff)[^=#\s'\"]+")  # a byte order mark at the start of the text would be lost
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})


def parse_dotenv(text: str | Secret) -> dict[str, Secret]:
    """Return the variables in a dotenv text. References such as `${NAME}` are not expanded.

    Needs the extra `dotenv`. Raises ConfigError if it is not installed, and ValueError for a line that has no value
    or cannot be read.
    """
    found = _parse(conceal(text))
    del text  # a traceback may show local variables
    if isinstance(found, int):
        raise ValueError(f"invalid dotenv text in line {found}: expected NAME=value")  # noqa: TRY004  bad data
    return found


def _parse(text: Secret) -> dict[str, Secret] | int:
    """Return the variables, or the number of the first line that cannot be read."""
    try:
        from dotenv.parser import parse_stream
    except ImportError:
        raise ConfigError("reading dotenv text needs python-dotenv; install cloud66-async[dotenv]") from None
    found: dict[str, Secret] = {}
    for binding in parse_stream(io.StringIO(text.reveal())):
        if binding.error or (binding.key is not None and binding.value is None):
            return binding.original.line
        if binding.key is not None:
            found[binding.key] = Secret(binding.value or "")
    return found


def format_dotenv(values: Mapping[str, str | Secret]) -> str:
    """Return the variables as dotenv text, one on each line, which `parse_dotenv` reads.

    Other readers may expand `$` in values. Raises ValueError for a name that the format cannot express.
    """
    names = list(values)
    text = _format(values) if all(map(_KEY.fullmatch, names)) else None
    del values  # a traceback may show local variables
    if text is None:
        wrong = next(name for name in names if _KEY.fullmatch(name) is None)
        raise ValueError(f"invalid name of an environment variable ({wrong!r}): dotenv text cannot express it")
    return text


def _format(values: Mapping[str, str | Secret]) -> str:
    texts = {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}
    return "".join(f'{name}="{text.translate(_ESCAPES)}"\n' for name, text in texts.items())
