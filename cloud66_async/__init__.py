"""The async Python SDK for the Cloud 66 API.

::

    async with Cloud66() as c66:
        async for stack in c66.stacks.list():
            print(stack.name, stack.environment, stack.health)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ._lane import Timeouts
from ._version import __version__
from .client import Cloud66
from .errors import (
    AccessDenied,
    ActionError,
    ActionFailed,
    ActionUnfinished,
    AmbiguousName,
    AnswerError,
    APIError,
    BadRequest,
    BulkError,
    Cloud66Error,
    ConfigError,
    Conflict,
    Forbidden,
    LoginError,
    NotFound,
    QuotaError,
    RequestTimeout,
    ServerError,
    ServerTimedOut,
    StateMismatch,
    Throttled,
    TokenRequestFailed,
    TransportError,
    TrialExpired,
    Unauthenticated,
    Unsupported,
)
from .model import Secret
from .operation import Page, Response
from .pager import Pager
from .quota import Quota
from .retry import Retry
from .token import Token

if TYPE_CHECKING:
    from .bulk import Failed, Ok, collect, each
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .resources.actions import Action
    from .resources.deployments import Deployment
    from .resources.servers import Server
    from .resources.stacks import Health, Redeployment, Stack, StackStatus

# Loaded when first asked for: Authlib costs 110 ms, and each file of models a few.
_LAZY = {
    "Action": "resources.actions",
    "Cloud66OAuth2Client": "oauth.client",
    "Deployment": "resources.deployments",
    "Failed": "bulk",
    "Health": "resources.stacks",
    "Login": "oauth.login",
    "Ok": "bulk",
    "Redeployment": "resources.stacks",
    "Server": "resources.servers",
    "Stack": "resources.stacks",
    "StackStatus": "resources.stacks",
    "collect": "bulk",
    "each": "bulk",
}

__all__ = [
    "APIError",
    "AccessDenied",
    "Action",
    "ActionError",
    "ActionFailed",
    "ActionUnfinished",
    "AmbiguousName",
    "AnswerError",
    "BadRequest",
    "BulkError",
    "Cloud66",
    "Cloud66Error",
    "Cloud66OAuth2Client",
    "ConfigError",
    "Conflict",
    "Deployment",
    "Failed",
    "Forbidden",
    "Health",
    "Login",
    "LoginError",
    "NotFound",
    "Ok",
    "Page",
    "Pager",
    "Quota",
    "QuotaError",
    "Redeployment",
    "RequestTimeout",
    "Response",
    "Retry",
    "Secret",
    "Server",
    "ServerError",
    "ServerTimedOut",
    "Stack",
    "StackStatus",
    "StateMismatch",
    "Throttled",
    "Timeouts",
    "Token",
    "TokenRequestFailed",
    "TransportError",
    "TrialExpired",
    "Unauthenticated",
    "Unsupported",
    "__version__",
    "collect",
    "each",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(_import_module(f".{_LAZY[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
