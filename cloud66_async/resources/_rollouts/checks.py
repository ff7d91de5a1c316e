"""Checks of the arguments of rollouts."""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.arguments import MAX_NUMBER, brief, check_iterable, check_limit, check_number

__all__ = ["check_at_once", "check_timeout"]


def check_at_once(at_once: int | Sequence[int]) -> int | list[int]:
    """Return the number of deployments at a time, or the sizes of the waves. Raises TypeError and ValueError."""
    if isinstance(at_once, int):
        check_limit("at_once", at_once)
        return at_once
    check_iterable("at_once", at_once)
    sizes = list(at_once)
    for size in sizes:
        check_limit("at_once", size)
    if not sizes:
        raise ValueError("invalid at_once: must not be empty")
    return sizes


def check_timeout(timeout: float | None) -> float | None:
    """Return the seconds for each deployment. Raises TypeError and ValueError."""
    if timeout is not None:
        check_number("timeout", timeout)
        if not 0 <= timeout <= MAX_NUMBER:
            raise ValueError(f"invalid timeout {brief(timeout)}: must be finite and not negative")
    return timeout
