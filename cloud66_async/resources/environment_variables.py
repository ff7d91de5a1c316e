"""Environment variables: settings that a stack's code reads from its environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import Operation, delete, get, many, patch, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from . import _environment_plan
from ._environment_plan import EnvironmentPlan
from ._plan import PlanResult, PlanUnfinished
from ._resource import Resource
from .actions import Action

__all__ = [
    "ApplyStrategy",
    "EnvironmentPlan",
    "EnvironmentVariable",
    "EnvironmentVariableFile",
    "EnvironmentVariableHistory",
    "EnvironmentVariableType",
    "EnvironmentVariables",
    "EnvironmentsFormat",
    "PlanResult",
    "PlanUnfinished",
]

ApplyStrategy = Literal["immediately", "deployment"]
"""When a change takes effect: immediately, or with the next deployment. The documentation names no default."""

EnvironmentsFormat = Literal["dotenv", "json"]
"""Format of a file with environment variables."""

EnvironmentVariableType = Literal["all", "user", "generated", "locked"]
"""Which environment variables a file contains."""


@attrs.frozen(kw_only=True)
class EnvironmentVariableHistory(Model):
    """An earlier value of an environment variable."""

    key: int | None = None  # version number, not the name of the variable
    value: Secret | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class EnvironmentVariable(Model):
    """One environment variable. Its value is always redacted in output, whether or not it is a password."""

    key: str  # name of the variable
    id: int | None = None
    value: Secret | None = None
    readonly: bool | None = None  # whether it cannot be changed
    is_password: bool | None = None  # whether Cloud 66 hides the value in its own pages
    is_generated: bool | None = None  # whether Cloud 66 created it
    history: tuple[EnvironmentVariableHistory, ...] | None = None  # earlier values
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class EnvironmentVariableFile(Model):
    """Environment variables as the text of one file."""

    contents: Secret


_FILE = {"environments_format": EnvironmentsFormat, "contents": Secret, "apply_strategy": ApplyStrategy | None}

LIST = get(
    "/stacks/{stack}/environments.json",
    many(EnvironmentVariable),
    scope="admin",
    query={
        "environments_format": Literal["api", "dotenv", "json"] | None,
        "requested_types": list[EnvironmentVariableType] | None,
    },
)
DOWNLOAD = LIST.variant(
    EnvironmentVariableFile,
    query={"environments_format": EnvironmentsFormat, "requested_types": list[EnvironmentVariableType] | None},
)
GET = get("/stacks/{stack}/environments/{variable:int}.json", EnvironmentVariable, scope="admin")
CREATE = post(
    "/stacks/{stack}/environments.json",
    Action,
    scope="admin",
    body={"key": str, "value": Secret, "apply_strategy": ApplyStrategy | None},
)
UPDATE = put(
    "/stacks/{stack}/environments/{key}.json",
    Action,
    scope="admin",
    body={"value": Secret, "apply_strategy": ApplyStrategy | None},
)
DELETE = delete("/stacks/{stack}/environments/{key}.json", scope="admin")
REPLACE_ALL = post("/stacks/{stack}/environments/bulk.json", Action, body=_FILE)
UPDATE_ALL = patch("/stacks/{stack}/environments/bulk.json", Action, body=_FILE)


class EnvironmentVariables(Resource):
    """Environment variables of a stack. They are read by ID, but changed and deleted by key."""

    def list(self, stack: str) -> Pager[EnvironmentVariable]:
        """List the environment variables of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, variable: int) -> EnvironmentVariable:
        """Return the environment variable with this ID."""
        return await self._call(GET.bind(stack=stack, variable=variable))

    async def download(
        self,
        stack: str,
        *,
        environments_format: EnvironmentsFormat = "dotenv",
        requested_types: Iterable[EnvironmentVariableType] | None = None,
    ) -> Secret:
        """Return the environment variables as the text of a file (known from the official client)."""
        call = DOWNLOAD.bind(stack=stack, environments_format=environments_format, requested_types=requested_types)
        return (await self._call(call)).contents

    async def create(
        self, stack: str, key: str, *, value: str | Secret, apply_strategy: ApplyStrategy | None = None
    ) -> Action:
        """Create an environment variable. Return the action."""
        value = conceal(value)
        return await self._start(CREATE, stack, key=key, value=value, apply_strategy=apply_strategy)

    async def update(
        self, stack: str, key: str, *, value: str | Secret, apply_strategy: ApplyStrategy | None = None
    ) -> Action:
        """Change an environment variable that is not read-only. Return the action."""
        value = conceal(value)
        return await self._start(UPDATE, stack, key=key, value=value, apply_strategy=apply_strategy)

    async def delete(self, stack: str, key: str) -> None:
        """Delete an environment variable that is neither read-only nor generated."""
        await self._call(DELETE.bind(stack=stack, key=key))

    async def replace_all(
        self,
        stack: str,
        *,
        contents: str | Secret,
        environments_format: EnvironmentsFormat,
        apply_strategy: ApplyStrategy | None = None,
    ) -> Action:
        """Replace the user's variables with those in `contents`, the text of a file. Return the action.

        Variables that it does not contain are deleted; a text without variables deletes all of them. The operation is
        known from the official client.
        """
        contents = conceal(contents)
        return await self._upload(REPLACE_ALL, stack, contents, environments_format, apply_strategy)

    async def update_all(
        self,
        stack: str,
        *,
        contents: str | Secret,
        environments_format: EnvironmentsFormat,
        apply_strategy: ApplyStrategy | None = None,
    ) -> Action:
        """Create or change the variables in `contents`, the text of a file. Return the action.

        Other variables are kept. The operation is known from the official client.
        """
        contents = conceal(contents)
        return await self._upload(UPDATE_ALL, stack, contents, environments_format, apply_strategy)

    async def _upload(
        self,
        operation: Operation[Action],
        stack: str,
        contents: Secret,
        environments_format: EnvironmentsFormat,
        apply_strategy: ApplyStrategy | None,
    ) -> Action:
        """Send a file. If the response repeats one of its values, it is masked."""
        call = operation.bind(
            stack=stack, environments_format=environments_format, contents=contents, apply_strategy=apply_strategy
        )
        call.body["contents"] = _environment_plan.SecretFile(contents, environments_format)
        return self._of_stack(await self._call(call), stack)

    async def plan(self, stack: str, variables: Mapping[str, str | Secret], *, prune: bool = False) -> EnvironmentPlan:
        """Read the variables of the stack and return what has to change so that they have these values.

        With `prune`, other variables are deleted. Variables that are read-only or generated are left alone. Nothing is
        changed before `apply`.
        """
        desired = _environment_plan.secrets(variables)
        del variables  # a traceback may show local variables
        if isinstance(desired, Exception):
            raise desired
        return _environment_plan.make(
            stack, desired, await _environment_plan.read(self._fresh.list(stack)), prune=prune
        )

    async def plan_copy(
        self, source: str, target: str, *, only: Iterable[str] | None = None, prune: bool = False
    ) -> EnvironmentPlan:
        """Return what has to change so that the stack `target` has the user's variables of the stack `source`.

        With `only`, other variables than these are neither copied nor deleted. With `prune`, variables that `source`
        does not have are deleted from `target`. Variables that are read-only or generated in either stack are left
        alone. Raises ValueError if one of `only` cannot be copied.
        """
        keys = None if only is None else frozenset(_environment_plan.names(only))
        found = await _environment_plan.read(self._fresh.list(source))
        desired = _environment_plan.copied(source, found, keys, prune=prune)
        present = await _environment_plan.read(self._fresh.list(target))
        return _environment_plan.make(target, desired, present, prune=prune, only=keys)

    async def apply(self, plan: EnvironmentPlan, *, apply_strategy: ApplyStrategy | None = None) -> PlanResult:
        """Carry out a plan. Return the actions that were started.

        Additions and changes are one request. Deletions are one request each, without `apply_strategy`. If replacing
        all variables takes fewer requests, they are read again, and replaced if nothing has changed. If the API does
        not know these operations in bulk, variables are changed one by one.

        If the first request fails, raises its error. If a later one fails, raises PlanUnfinished, which tells what was
        done.
        """
        if not isinstance(plan, EnvironmentPlan):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid plan: expected an EnvironmentPlan, not {type(plan).__name__}")
        return await _environment_plan.apply(self._fresh, plan, apply_strategy)
