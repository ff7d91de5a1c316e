"""The quota of a token that expires."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..quota import Allowance, Quota
from ..token import check_expiry

if TYPE_CHECKING:
    from ..clock import Clock
    from .response import RawResponse

__all__ = ["ExpiringAllowance"]


class ExpiringAllowance(Allowance):
    """An allowance that raises LoginError once the token has expired: `check` precedes every attempt."""

    __slots__ = ("_allowance", "_expires_at")

    def __init__(self, allowance: Allowance, expires_at: datetime, clock: Clock) -> None:
        super().__init__(clock)
        self._allowance = allowance
        self._expires_at = expires_at

    def check(self) -> None:
        """Raise LoginError if the token has expired, and QuotaError if only reserved requests remain."""
        check_expiry(self._expires_at, self._clock.now())
        self._allowance.check()

    def update(self, response: RawResponse) -> Quota:
        """Return the quota after the headers of `response` were taken into account."""
        return self._allowance.update(response)
