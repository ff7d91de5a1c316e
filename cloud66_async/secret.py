"""Values that must not appear in any output: secrets, and bytes that hold them."""

from __future__ import annotations

from typing import Any

from ._core.arguments import check_text

__all__ = ["MASK", "Hidden", "Secret", "conceal", "conceal_as"]

MASK = "********"
"""What is shown in place of a secret."""


class Secret:
    """A string that is redacted in all output, including its length. `reveal()` returns the value."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        check_text("secret", text)
        self._text = text

    def reveal(self) -> str:
        """Return the value in plain text."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # imported lazily: it loads OpenSSL's digests, which takes 1.5 ms

        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._text,)


def conceal(value: str | Secret) -> Secret:
    """Return a parameter as a Secret, so that a traceback that shows local variables does not show it."""
    # Anything else is not concealed, but rejected by the operation with the name of its parameter.
    return Secret(value) if isinstance(value, str) else value  # pyright: ignore[reportUnnecessaryIsInstance]


def conceal_as(name: str, value: str | Secret) -> Secret:
    """Return a parameter as a Secret, as `conceal` does, where no operation checks it. Raises TypeError."""
    if not isinstance(value, Secret):
        check_text(name, value)
    return conceal(value)


class Hidden(bytes):
    """Bytes that hold a token on their way to the network, redacted in tracebacks that show local variables."""

    def __repr__(self) -> str:
        return f"Hidden({MASK})"

    __str__ = __repr__
