"""View: the options that `using` can change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..config import MISSING_USER_LOGIN, check_account, read_timeouts
from ..errors import ConfigError, MissingToken
from ..retry import check_retry
from ..token import to_token
from .arguments import UNCHANGED, Unchanged, check_sendable, check_text
from .credentials import check_headers, shared_headers
from .sender import Sender
from .shared import Identity

if TYPE_CHECKING:
    from ..polling import Polling
    from ..retry import Retry
    from ..secret import Secret
    from ..token import Token
    from ..transport import Timeouts
    from .shared import SharedState

__all__ = ["View"]


class View:
    """The options of a client, or of one of its views. Its `repr` shows none of them."""

    __slots__ = ("account", "fresh", "headers", "polling", "retry", "timeouts", "token", "user")

    def __init__(
        self,
        token: Token | None,
        *,
        account: int | None,
        headers: Mapping[str, str] | None,
        timeout: float | Timeouts | None,
        retry: Retry,
        polling: Polling | None,
        user: str | None = None,
    ) -> None:
        check_account(account)
        self.token: Token | None = token
        self.account: int | None = account
        self.headers: Mapping[str, str] = check_headers(headers)
        self.timeouts: Timeouts = read_timeouts(timeout)
        self.retry: Retry = check_retry(retry)
        self.polling: Polling | None = _check_polling(polling)
        self.fresh: bool = False
        self.user: str | None = _check_user(user)

    def changed(
        self,
        *,
        token: Secret | Unchanged | None = UNCHANGED,
        account: int | Unchanged | None = UNCHANGED,
        headers: Mapping[str, str] | Unchanged = UNCHANGED,
        timeout: float | Timeouts | Unchanged | None = UNCHANGED,
        retry: Retry | Unchanged = UNCHANGED,
        polling: Polling | Unchanged | None = UNCHANGED,
        fresh: bool | Unchanged = UNCHANGED,
        user: str | Unchanged | None = UNCHANGED,
    ) -> View:
        """Return a copy with these options. Raises ConfigError or TypeError for those that are invalid.

        Args:
            token: Access token. None raises ConfigError.
            account: ID of the account.
            headers: Extra headers.
            timeout: Total seconds per request, or `Timeouts`.
            retry: When failed calls are retried.
            polling: How often the state of actions is read.
            fresh: Whether reads always go to the API.
            user: Name of the user of the token. If only the token changes, it becomes None.
        """
        view = View.__new__(View)
        view.token = self.token if isinstance(token, Unchanged) else _given(token)
        view.account = self.account if isinstance(account, Unchanged) else account
        check_account(view.account)
        view.headers = self.headers if isinstance(headers, Unchanged) else check_headers(headers)
        view.timeouts = self.timeouts if isinstance(timeout, Unchanged) else read_timeouts(timeout)
        view.retry = self.retry if isinstance(retry, Unchanged) else check_retry(retry)
        view.polling = self.polling if isinstance(polling, Unchanged) else _check_polling(polling)
        view.fresh = self.fresh if isinstance(fresh, Unchanged) else _check_flag("fresh", fresh)
        same_user = self.user if isinstance(token, Unchanged) else None
        view.user = same_user if isinstance(user, Unchanged) else _check_user(user)
        return view

    def sender(self, shared: SharedState, identify: Callable[[], Identity]) -> Sender:
        """Return a sender with these options."""
        if shared.reads is None:
            return Sender(shared, identify, retry=self.retry, timeouts=self.timeouts, polling=self.polling)
        from .sharing import SharingSender  # imported lazily: most programs do not share reads

        return SharingSender(
            shared,
            identify,
            retry=self.retry,
            timeouts=self.timeouts,
            polling=self.polling,
            fresh=self.fresh,
            user=self.user,
        )

    def identify(self, shared: SharedState) -> Identity:
        """Return what requests with this token are sent with. Raises ConfigError if there is no token."""
        token = self.token
        if token is None:
            raise MissingToken(MISSING_USER_LOGIN)
        headers = shared_headers(token, self.account, self.headers)
        return Identity(headers, shared.allowance(token, self.user), token.expires_at)


def _given(token: Secret | None) -> Token:
    if token is None:
        raise MissingToken("using(token=None): no token; redirect the user to the login")
    return to_token(token)


def _check_user(user: str | None) -> str | None:
    if user is not None:
        check_text("user", user)
        check_sendable("user", user)
        if not user:
            raise ConfigError("invalid user: must not be empty; pass None if it is unknown")
    return user


def _check_flag(name: str, value: bool) -> bool:
    if not isinstance(value, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid {name}: expected a bool, not {type(value).__name__}")
    return value


def _check_polling(polling: Polling | None) -> Polling | None:
    if polling is None:
        return None
    from ..polling import check_polling  # imported lazily: most programs do not pass one

    return check_polling(polling)
