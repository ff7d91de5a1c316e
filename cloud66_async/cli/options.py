"""Options that many commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import attrs
from cyclopts import Parameter

from ..client import Cloud66
from .session import SESSION
from .terminal.output import Output

if TYPE_CHECKING:
    from ..drift import Drift

__all__ = [
    "DEFAULT_ACCESS",
    "DEFAULT_OUTPUT",
    "Access",
    "AsJSON",
    "ChangedStackName",
    "Environment",
    "Output",
    "Profile",
    "StackName",
    "Yes",
]

StackName = Annotated[
    str, Parameter(name=["--stack", "-s"], help="Name, name/environment or uid of the stack, or its beginning.")
]
# Of commands that change something: the beginning of a name may mean another stack tomorrow.
ChangedStackName = Annotated[
    str,
    Parameter(name=["--stack", "-s"], help="Name, name/environment or uid of the stack (whole names only)."),
]
Environment = Annotated[
    str | None, Parameter(name=["--environment", "-e"], help="Environment of the stack, for example production.")
]
Profile = Annotated[
    str | None,
    Parameter(env_var="CLOUD66_PROFILE", help="Name of the stored login."),
]
AsJSON = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="JSON output.")]
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", show_default=False, help="Do not ask.")]


@Parameter(name="*", group="Login")
@attrs.frozen(kw_only=True)
class Access:
    """Options that select the login and the account, and show the requests."""

    account: Annotated[
        int | None, Parameter(help="ID of the account to act for; the default is every account of the user.")
    ] = None
    profile: Profile = None
    debug: Annotated[
        bool, Parameter(negative="", show_default=False, help="Show each request on standard error, without secrets.")
    ] = False

    def open(self, *, drift: Drift | None = None) -> Cloud66:
        """Return a client for this login and account."""
        self.remember()
        return Cloud66(account=self.account, profile=self.profile, drift=drift)

    def remember(self) -> None:
        """Note the options for messages about errors, and show requests if that was asked for."""
        SESSION.profile, SESSION.is_open, SESSION.debug = self.profile, True, self.debug
        if self.debug:
            from .debug import show_requests  # imported lazily: logging takes some milliseconds

            show_requests()


DEFAULT_ACCESS: Final = Access()
DEFAULT_OUTPUT: Final = Output()
