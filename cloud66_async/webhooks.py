"""Webhooks: the events that Cloud 66 sends to a URL, parsed from the body of the request.

::

    match parse_webhook(body):
        case StackEvent(event_type=EventType.STACK_REDEPLOY_FAIL, stack=stack):
            print(stack.name, "was not deployed")

Cloud 66 does not sign webhooks: anyone who knows the URL can send an event. `docs/how-to/webhooks.md` says how to
receive them safely.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

import attrs
import msgspec

from ._core import codec
from ._core.decoders import UNREADABLE
from ._core.model import IsoTimestamp, Model, OpenStrEnum, Timestamp
from ._core.text import clean
from ._core.timestamps import parse_timestamp
from .errors import Cloud66Error, ResponseError
from .resources.backups import Backup
from .resources.services import Service
from .resources.stacks import Stack
from .secret import Secret

__all__ = [
    "AppEvent",
    "BackupEvent",
    "DeployContext",
    "EventType",
    "OtherEvent",
    "ServerEvent",
    "ServiceEvent",
    "StackEvent",
    "WebhookError",
    "WebhookEvent",
    "parse_webhook",
]

_logger = logging.getLogger("cloud66_async")

_NO_PAYLOAD = Secret("{}")


class WebhookError(Cloud66Error):
    """The body of a request is not a webhook of Cloud 66."""


class EventType(OpenStrEnum):
    """Name of an event. Cloud 66 has more than these, and unknown names are members too; `known` tells them apart."""

    STACK_CREATED = "stack.created"
    STACK_PROVISION_OK = "stack.provision.ok"
    STACK_PROVISION_FAIL = "stack.provision.fail"
    STACK_DEPLOY_STARTED = "stack.deploy.started"
    STACK_REDEPLOY_OK = "stack.redeploy.ok"
    STACK_REDEPLOY_FAIL = "stack.redeploy.fail"
    APPLICATION_HEALTH_CHECK_FAILED = "application.health_check.failed"
    APPLICATION_INTEGRATION_CONFIGURED = "application.integration.configured"
    SERVER_STOPPED = "server.stopped"
    SERVER_BACKON = "server.backon"
    SERVER_IP_CHANGE_FAIL = "server.ip.change.fail"
    BACKUP_VERIFICATION_FAILED = "backup.verification.failed"
    SERVICE_BUILD_FAIL = "service.build.fail"
    APP_AUTH = "app.auth"
    APP_DEAUTH = "app.deauth"
    # Older names, known from the help site.
    ACCOUNT_PROVISION_OK = "account.provision.ok"
    ACCOUNT_PROVISION_FAIL = "account.provision.fail"
    ACCOUNT_DEPLOY_STARTED = "account.deploy.started"
    ACCOUNT_REDEPLOY_OK = "account.redeploy.ok"
    ACCOUNT_REDEPLOY_FAIL = "account.redeploy.fail"
    ACCOUNT_REDEPLOY_HOOK_FAIL = "account.redeploy.hook.fail"
    JOB_FAIL = "job.fail"
    JOB_BACKON = "job.backon"
    PROCESS_DOWN = "process.down"


@attrs.frozen(kw_only=True)
class DeployContext(Model):
    """The deployment that an event is about."""

    triggered_by: str | None = None  # e-mail address of the user, or the system that started it
    outcome: str | None = None  # outcome in words
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None


@attrs.frozen(kw_only=True)
class StackEvent(Model):
    """An event of a stack: `stack.*` and `application.*`."""

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets
    stack: Stack  # the stack as the event describes it
    deploy_context: DeployContext | None = None  # only for events about a deployment


@attrs.frozen(kw_only=True)
class BackupEvent(Model):
    """An event of a backup: `backup.*`."""

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets
    stack: Stack
    backup: Backup | None = None


@attrs.frozen(kw_only=True)
class ServiceEvent(Model):
    """An event of a service: `service.*`."""

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets
    stack: Stack
    service: Service | None = None


@attrs.frozen(kw_only=True)
class ServerEvent(Model):
    """An event of a server: `server.*`.

    `uid` and `status` are as Cloud 66 sends them; its documentation does not say what they belong to.
    """

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets
    server: str  # uid of the server
    uid: str | None = None
    status: int | str | None = None
    new_ext_ipv4: str | None = None  # new public IPv4 address, after a failed change
    created_at: Timestamp | None = None  # time of creation
    updated_at: Timestamp | None = None  # time of the last change
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class AppEvent(Model):
    """A user has authorized an OAuth application (`app.auth`), or has withdrawn the authorization (`app.deauth`)."""

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets
    user: str | None = None  # e-mail address of the user
    app: str | None = None  # client ID of the application


@attrs.frozen(kw_only=True)
class OtherEvent(Model):
    """An event of an unknown kind, or one without the uid that its kind requires. Only the payload has its fields."""

    timestamp: Timestamp  # time at which the event was sent
    event_type: EventType
    payload: Secret = _NO_PAYLOAD  # the body as JSON text; it may contain secrets


WebhookEvent: TypeAlias = StackEvent | BackupEvent | ServiceEvent | ServerEvent | AppEvent | OtherEvent
"""Any event. All have `timestamp`, `event_type` and `payload`."""

_KINDS: Mapping[str, type[WebhookEvent]] = {
    "stack": StackEvent,
    "application": StackEvent,
    "backup": BackupEvent,
    "service": ServiceEvent,
    "server": ServerEvent,
    "app": AppEvent,
}


def parse_webhook(body: bytes | str | Mapping[str, Any]) -> WebhookEvent:
    """Return the event in the body of a webhook, which may also be given as decoded JSON.

    Events of unknown kinds are returned as `OtherEvent`. A field of an unexpected type becomes None and is logged once.
    Raises WebhookError if the body is not a JSON object or has no valid `event_type` and `timestamp`.
    """
    payload = _conceal(body)
    del body  # it may contain secrets, which a traceback that shows local variables must not show
    if payload is None or _split(payload) is None:
        raise WebhookError("invalid webhook: the body is not a JSON object")
    name, timestamp = _field(payload, "event_type"), _parse_timestamp(_field(payload, "timestamp"))
    if not isinstance(name, str) or not name:
        raise WebhookError("invalid webhook: the body has no event_type, or it is not a string")
    if timestamp is None:
        raise WebhookError("invalid webhook: the body has no timestamp, or it is not a time")
    return _specific(OtherEvent(timestamp=timestamp, event_type=EventType(name), payload=payload))


def _conceal(body: bytes | str | Mapping[str, Any]) -> Secret | None:
    """Return the body as hidden text, or None if it cannot be JSON."""
    try:
        encoded = msgspec.json.encode(dict(body)) if isinstance(body, Mapping) else body
        return Secret(encoded if isinstance(encoded, str) else bytes(encoded).decode())
    except (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def _split(payload: Secret) -> dict[str, msgspec.Raw] | None:
    """Return the fields of the payload, not decoded, or None if it is not a JSON object."""
    try:
        return msgspec.json.decode(payload.reveal(), type=dict[str, msgspec.Raw])
    except (*UNREADABLE, UnicodeEncodeError):
        return None


def _field(payload: Secret, name: str) -> Any:
    """Return the value of one field, or None if it is missing or cannot be decoded."""
    raw = (_split(payload) or {}).get(name)
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def _parse_timestamp(value: Any) -> datetime | None:
    """Return a timestamp, or None if it is missing or invalid. Epoch seconds may also be a string."""
    try:
        return parse_timestamp(int(value) if isinstance(value, str) and value.strip().isdecimal() else value)
    except ValueError:
        return None


def _specific(event: OtherEvent) -> WebhookEvent:
    """Return the event as the class for its kind, or unchanged if there is none or if a required field is missing."""
    kind = _KINDS.get(event.event_type.partition(".")[0])
    if kind is None:
        return event
    fields: dict[str, Any] = dict(_split(event.payload) or {})
    if kind is StackEvent:
        fields["stack"] = dict(fields)  # these events have the fields of the stack beside their own
    fields |= {"timestamp": event.timestamp, "event_type": event.event_type, "payload": event.payload.reveal()}
    try:
        found: WebhookEvent = codec.decode(msgspec.json.encode({"response": fields}), kind)
    except ResponseError:
        _logger.warning("webhook %s read as OtherEvent: a required field is missing", clean(event.event_type))
        return event
    return found
