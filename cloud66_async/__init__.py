"""Async Python SDK for the Cloud 66 API.

::

    async with Cloud66() as c66:
        async for stack in c66.stacks.list():
            print(stack.name, stack.environment, stack.health)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .client import Cloud66
from .errors import (
    AccessDenied,
    AmbiguousName,
    APIError,
    BadRequest,
    Cloud66Error,
    Cloud66Warning,
    ConfigError,
    Conflict,
    Forbidden,
    LoginError,
    NotFound,
    QuotaError,
    RequestTimeout,
    ResponseError,
    ServerError,
    StateMismatch,
    Throttled,
    TokenRequestFailed,
    TransportError,
    TransportTimeout,
    TrialExpired,
    Unauthenticated,
    Unsupported,
)
from .operation import Page, Response
from .pager import Pager
from .quota import Quota
from .retry import Retry
from .secret import Secret
from .token import Token
from .transport import Timeouts, Transport

if TYPE_CHECKING:
    from .bulk import BatchResult, BulkError, Failed, Ok, collect, each
    from .clock import Clock
    from .drift import Drift
    from .models import Action, Deployment, Health, Redeployment, Server, Stack, StackStatus
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .observe import Attempt
    from .polling import Polling
    from .resources.actions import ActionError, ActionFailed, ActionUnfinished
    from .resources.environment_variables import PlanUnfinished
    from .rollout import Rollout, RolloutResult, RolloutState
    from .webhooks import WebhookError, parse_webhook

# Imported on first use: Authlib takes 110 ms, and each module of models a few.
_LAZY = {
    "Action": "models",
    "ActionError": "resources.actions",
    "ActionFailed": "resources.actions",
    "ActionUnfinished": "resources.actions",
    "Attempt": "observe",
    "BatchResult": "bulk",
    "BulkError": "bulk",
    "Clock": "clock",
    "Cloud66OAuth2Client": "oauth.client",
    "Deployment": "models",
    "Drift": "drift",
    "Failed": "bulk",
    "Health": "models",
    "Login": "oauth.login",
    "Ok": "bulk",
    "PlanUnfinished": "resources.environment_variables",
    "Polling": "polling",
    "Redeployment": "models",
    "Rollout": "rollout",
    "RolloutResult": "rollout",
    "RolloutState": "rollout",
    "Server": "models",
    "Stack": "models",
    "StackStatus": "models",
    "WebhookError": "webhooks",
    "collect": "bulk",
    "each": "bulk",
    "parse_webhook": "webhooks",
}

__all__ = [
    "APIError",
    "AccessDenied",
    "Action",
    "ActionError",
    "ActionFailed",
    "ActionUnfinished",
    "AmbiguousName",
    "Attempt",
    "BadRequest",
    "BatchResult",
    "BulkError",
    "Clock",
    "Cloud66",
    "Cloud66Error",
    "Cloud66OAuth2Client",
    "Cloud66Warning",
    "ConfigError",
    "Conflict",
    "Deployment",
    "Drift",
    "Failed",
    "Forbidden",
    "Health",
    "Login",
    "LoginError",
    "NotFound",
    "Ok",
    "Page",
    "Pager",
    "PlanUnfinished",
    "Polling",
    "Quota",
    "QuotaError",
    "Redeployment",
    "RequestTimeout",
    "Response",
    "ResponseError",
    "Retry",
    "Rollout",
    "RolloutResult",
    "RolloutState",
    "Secret",
    "Server",
    "ServerError",
    "Stack",
    "StackStatus",
    "StateMismatch",
    "Throttled",
    "Timeouts",
    "Token",
    "TokenRequestFailed",
    "Transport",
    "TransportError",
    "TransportTimeout",
    "TrialExpired",
    "Unauthenticated",
    "Unsupported",
    "WebhookError",
    "__version__",
    "collect",
    "each",
    "parse_webhook",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(_import_module(f".{_LAZY[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
