"""What a rollout is to do and how far it is, as it is written down."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import attrs
import msgspec

from ..._core.text import clean
from ...errors import Cloud66Error, ConfigError
from ..actions import Action, ActionFailed, ActionUnfinished

__all__ = ["FORMAT", "Record", "RolloutData", "RolloutResult", "RolloutState", "Target", "action_failed", "parse"]

FORMAT = 1

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Waves = Annotated[list[_Positive], msgspec.Meta(min_length=1)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class RolloutState(enum.StrEnum):
    """State of one stack in a rollout. The last five are final."""

    QUEUED = "queued"  # its turn has not come
    STARTING = "starting"  # the request was sent, or is about to be
    RUNNING = "running"  # the API accepted the request
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the deployment failed, or the API refused to start it
    UNFINISHED = "unfinished"  # it was started, and its end is not known
    UNKNOWN = "unknown"  # it may have been started
    NOT_STARTED = "not_started"  # it was certainly not started


@attrs.frozen(kw_only=True)
class RolloutResult:
    """What a rollout has done with one stack.

    Args:
        uid: uid of the stack.
        state: State, final when the rollout has ended.
        action: Latest known state of the action that deploys the stack, or None.
        error: Reason why the stack was not deployed, or None.
        reference: `user_reference` of the deployment.
        doubled: IDs of further actions with the same reference. They are deployments that should not exist.
    """

    uid: str
    state: RolloutState
    action: Action | None = None
    error: Cloud66Error | None = None
    reference: str
    doubled: tuple[int, ...] = ()


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is written down of one stack.

    Args:
        uid: uid of the stack.
        state: State.
        attempt: Number of deliberate repetitions before this one.
        asked_at: When the request was about to be sent, or None if it certainly was not accepted.
        started_at: When it was known that the request was accepted, or None.
        action: ID of the action, or None if it is not known.
        finished_at: When the action finished, or None.
        message: Message of the action, or the text of the error.
        doubled: IDs of further actions with the same reference.
    """

    uid: _Text
    state: RolloutState = RolloutState.QUEUED
    attempt: Annotated[int, msgspec.Meta(ge=0)] = 0
    asked_at: _Time | None = None
    started_at: _Time | None = None
    action: int | None = None
    finished_at: _Time | None = None
    message: str | None = None
    doubled: tuple[int, ...] = ()


class RolloutData(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A rollout as it is written down.

    Args:
        format: Version of this format.
        id: Random part of the references of its deployments.
        url: URL of the API.
        account: Account that the client acts for, or None.
        token: Digest of the token.
        created_at: When the rollout was created.
        exact: Whether a stack that is not recorded as started certainly was not started.
        at_once: Number of deployments at a time, or the sizes of the waves.
        stop_after: Number of failures after which nothing more is started.
        timeout: Seconds for each deployment.
        settle: Seconds after a request in which a search for its action may be too early.
        options: Parameters of each deployment.
        stopped: Why nothing more was started, or None.
        targets: Stacks in the order in which they are deployed.
    """

    format: int
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    url: str
    account: str | None
    token: str
    created_at: _Time
    exact: bool
    at_once: _Positive | _Waves
    stop_after: _Positive | None
    timeout: Annotated[float, msgspec.Meta(ge=0)] | None
    settle: Annotated[float, msgspec.Meta(ge=0)]
    options: dict[str, Any]
    stopped: str | None = None
    targets: Annotated[list[Record], msgspec.Meta(min_length=1)]

    def reference(self, number: int) -> str:
        """Return the `user_reference` of the stack with this position. It is the same in every process."""
        return f"c66:{self.id}:{number}:{self.targets[number].attempt}"


def parse(data: Mapping[str, Any]) -> RolloutData:
    """Return what `Rollout.to_dict` has written down. Raises ConfigError."""
    found = data.get("format")
    if type(found) is not int or found != FORMAT:
        raise ConfigError("unknown format of a rollout; take it up with the version of cloud66-async that wrote it")
    try:
        parsed = msgspec.convert(dict(data), RolloutData)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ConfigError(f"damaged data of a rollout: {clean(str(error))}") from None
    if len({record.uid for record in parsed.targets}) != len(parsed.targets):
        raise ConfigError("damaged data of a rollout: a stack is in it twice")
    return parsed


class Target:
    """One stack of a rollout: its record, and what only the process that deploys it knows."""

    def __init__(self, record: Record, reference: str) -> None:
        self.record: Record = record
        self.reference: str = reference
        self.action: Action | None = _known_action(record, reference)
        self.error: Cloud66Error | None = _known_error(record, self.action)
        self.shall_start: bool = False  # it is deployed again on purpose
        self.published: RolloutResult = self.result

    @property
    def uid(self) -> str:
        """The uid of the stack."""
        return self.record.uid

    @property
    def state(self) -> RolloutState:
        """The state."""
        return self.record.state

    @property
    def result(self) -> RolloutResult:
        """The result, final or not."""
        record = self.record
        return RolloutResult(
            uid=record.uid,
            state=record.state,
            action=self.action,
            error=self.error,
            reference=self.reference,
            doubled=record.doubled,
        )

    def ask(self, now: datetime) -> None:
        """Note that the request is about to be sent."""
        self.record.state, self.record.asked_at = RolloutState.STARTING, now

    def withdraw(self) -> None:
        """Note that the request was not sent or not accepted."""
        self.record.state, self.record.asked_at = RolloutState.QUEUED, None

    def accept(self, now: datetime, action: int | None) -> None:
        """Note that the API accepted the request."""
        self.record.state, self.record.started_at, self.record.action = RolloutState.RUNNING, now, action
        if action is not None:
            self.action = Action(id=action, stack=self.uid)

    def note(self, action: Action) -> None:
        """Note the state of its action, which may be the deployment's if there is no action."""
        self.action = action
        if (action.metadata or {}).get("user_reference") == self.reference:
            self.record.action = action.id

    def conclude(self, state: RolloutState, action: Action | None = None, error: Cloud66Error | None = None) -> None:
        """Note how it ended."""
        self.record.state, self.error = state, error
        self.record.message = None if error is None else str(error)
        if action is not None:
            self.note(action)
            self.record.finished_at = action.finished_at
            if action.finished:
                self.record.message = action.finished_message

    def close(self) -> None:
        """Note that the rollout has ended, so that nothing more will happen."""
        self.record.state = _CLOSED.get(self.record.state, self.record.state)

    def reopen(self) -> None:
        """Note that the rollout is taken up: what was not finished continues."""
        record = self.record
        if record.state not in (RolloutState.SUCCEEDED, RolloutState.FAILED):
            started, asked = record.started_at is not None, record.asked_at is not None
            record.state = RolloutState.RUNNING if started else RolloutState.STARTING if asked else RolloutState.QUEUED
            record.message = self.error = None

    def repeat(self, reference: str) -> None:
        """Note that it is to be deployed again, under a new reference."""
        self.record = Record(uid=self.uid, attempt=self.record.attempt)
        self.reference = reference
        self.action = self.error = None
        self.shall_start = True


_CLOSED = {
    RolloutState.QUEUED: RolloutState.NOT_STARTED,
    RolloutState.STARTING: RolloutState.UNKNOWN,
    RolloutState.RUNNING: RolloutState.UNFINISHED,
}


def action_failed(action: Action, stack: str) -> ActionFailed:
    """Return the error for an action that has failed."""
    reason = clean(action.finished_message or "no reason given")
    return ActionFailed(f"action {action.id} of stack {stack} failed: {reason}", action=action)


def _known_action(record: Record, reference: str) -> Action | None:
    """Return what is written down of an action."""
    if record.action is None:
        return None
    finished = record.finished_at is not None
    return Action(
        id=record.action,
        started_at=record.started_at,
        finished_at=record.finished_at,
        finished_success=record.state is RolloutState.SUCCEEDED if finished else None,
        finished_message=record.message if finished else None,
        metadata={"user_reference": reference},
        stack=record.uid,
    )


def _known_error(record: Record, action: Action | None) -> Cloud66Error | None:
    """Return what is written down of an error. Its class may be lost."""
    if record.message is None or record.state is RolloutState.SUCCEEDED:
        return None
    if action is not None and record.state is RolloutState.FAILED:
        return action_failed(action, record.uid)
    if action is not None and record.state is RolloutState.UNFINISHED:
        return ActionUnfinished(record.message, action=action)
    return Cloud66Error(record.message)
