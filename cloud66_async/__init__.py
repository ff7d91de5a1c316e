"""Async Python SDK for the Cloud 66 API.

::

    async with Cloud66() as c66:
        async for stack in c66.stacks.list():
            print(stack.name, stack.environment, stack.health)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .bulk import BatchResult, BulkError, Failed, Ok, collect, each
    from .client import Cloud66
    from .clock import Clock
    from .drift import Drift
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
        MissingToken,
        NotFound,
        QuotaError,
        RequestTimeout,
        ResponseError,
        ServerError,
        StateMismatch,
        StoreError,
        Throttled,
        TokenRequestFailed,
        TransportError,
        TransportTimeout,
        TrialExpired,
        Unauthenticated,
        Unsupported,
    )
    from .models import Action, Deployment, Health, Redeployment, Server, Stack, StackStatus
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .observe import Attempt
    from .operation import Page, Response
    from .pager import Pager
    from .polling import Polling
    from .quota import Quota, SharedQuota
    from .reads import MemoryReads
    from .resources.actions import ActionError, ActionFailed, ActionUnfinished
    from .resources.environment_variables import PlanUnfinished
    from .retry import Retry
    from .rollout import Rollout, RolloutResult, RolloutState
    from .secret import Secret
    from .token import Token
    from .transport import Timeouts, Transport
    from .webhooks import WebhookError, parse_webhook

# Each module is imported when one of its names is used first: the command line answers many questions without any.
_LAZY = {
    "APIError": "errors",
    "AccessDenied": "errors",
    "Action": "models",
    "ActionError": "resources.actions",
    "ActionFailed": "resources.actions",
    "ActionUnfinished": "resources.actions",
    "AmbiguousName": "errors",
    "Attempt": "observe",
    "BadRequest": "errors",
    "BatchResult": "bulk",
    "BulkError": "bulk",
    "Clock": "clock",
    "Cloud66": "client",
    "Cloud66Error": "errors",
    "Cloud66OAuth2Client": "oauth.client",
    "Cloud66Warning": "errors",
    "ConfigError": "errors",
    "Conflict": "errors",
    "Deployment": "models",
    "Drift": "drift",
    "Failed": "bulk",
    "Forbidden": "errors",
    "Health": "models",
    "Login": "oauth.login",
    "LoginError": "errors",
    "MemoryReads": "reads",
    "MissingToken": "errors",
    "NotFound": "errors",
    "Ok": "bulk",
    "Page": "operation",
    "Pager": "pager",
    "PlanUnfinished": "resources.environment_variables",
    "Polling": "polling",
    "Quota": "quota",
    "QuotaError": "errors",
    "Redeployment": "models",
    "RequestTimeout": "errors",
    "Response": "operation",
    "ResponseError": "errors",
    "Retry": "retry",
    "Rollout": "rollout",
    "RolloutResult": "rollout",
    "RolloutState": "rollout",
    "Secret": "secret",
    "Server": "models",
    "ServerError": "errors",
    "SharedQuota": "quota",
    "Stack": "models",
    "StackStatus": "models",
    "StateMismatch": "errors",
    "StoreError": "errors",
    "Throttled": "errors",
    "Timeouts": "transport",
    "Token": "token",
    "TokenRequestFailed": "errors",
    "Transport": "transport",
    "TransportError": "errors",
    "TransportTimeout": "errors",
    "TrialExpired": "errors",
    "Unauthenticated": "errors",
    "Unsupported": "errors",
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
    "MemoryReads",
    "MissingToken",
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
    "SharedQuota",
    "Stack",
    "StackStatus",
    "StateMismatch",
    "StoreError",
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
