"""Environment variables: settings that a stack's code reads from its environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import delete, get, many, patch, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource
from .actions import Action

__all__ = [
    "ApplyStrategy",
    "EnvironmentVariable",
    "EnvironmentVariableFile",
    "EnvironmentVariableHistory",
    "EnvironmentVariableType",
    "EnvironmentVariables",
    "EnvironmentsFormat",
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

    __slots__ = ()

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
        return await self._start(
            REPLACE_ALL,
            stack,
            environments_format=environments_format,
            contents=contents,
            apply_strategy=apply_strategy,
        )

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
        return await self._start(
            UPDATE_ALL,
            stack,
            environments_format=environments_format,
            contents=contents,
            apply_strategy=apply_strategy,
        )
