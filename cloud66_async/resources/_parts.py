"""Objects in the body of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["given"]


def given(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values that are not None, with lists for iterables."""
    return {
        name: list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        for name, value in values.items()
        if value is not None
    }
