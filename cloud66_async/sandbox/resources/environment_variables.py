"""Environment variables in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ...dotenv import format_dotenv, parse_dotenv
from ...resources import environment_variables as api
from ..crud import find
from ..handling import Context, Listing, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_hash, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, Table, register

__all__ = ["ENVIRONMENT_VARIABLES"]

# The documentation has the first two, the official client reads the others.
_DATES = ("created_at", "updated_at", "created_at_iso", "updated_at_iso")


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the variables of the framework, one of the user, and two that Cloud 66 generates."""
    values = {
        "RAILS_ENV": stack.data["environment"],
        "SECRET_KEY_BASE": sample_hash("secret", stack.uid),
        "DATABASE_URL": f"postgres://app:{sample_hash('password', stack.uid)[:12]}@10.0.0.4:5432/app",
        "STACK_UID": stack.uid,
    }
    for number, (key, value) in enumerate(values.items(), start=1):
        yield {
            "id": stack.number * 1000 + number,
            "key": key,
            "value": value,
            "readonly": key == "STACK_UID",
            "is_password": key in ("SECRET_KEY_BASE", "DATABASE_URL"),
            "is_generated": key in ("DATABASE_URL", "STACK_UID"),
            "history": [],
            **dict.fromkeys(_DATES, timestamp(stack.added_at)),
        }


ENVIRONMENT_VARIABLES = register(
    Kind(
        "environment variable",
        model=api.EnvironmentVariable,
        key="key",
        sample=sample,
        defaults={
            "readonly": False,
            "is_password": False,
            "is_generated": False,
            "history": [],
            **dict.fromkeys(_DATES),
        },
    )
)


def _variables(context: Context, stack: str) -> Table[Record]:
    """Return the variables of the stack."""
    return context.world.table(ENVIRONMENT_VARIABLES, context.stack(stack))


@handles(api.LIST)
def list_variables(context: Context, stack: str) -> Listing[Record] | Record:
    """List the variables, or return them as the text of a file if a format is given."""
    records = _variables(context, stack).list()
    file_format = context.parameters.get("environments_format", "api")
    if file_format == "api":
        return Listing(records)
    wanted = context.parameters.get("requested_types", ["all"])
    values = {record["key"]: record["value"] for record in records if "all" in wanted or _type(record) in wanted}
    if file_format == "json":
        return {"contents": json.dumps(values, indent=2)}
    return {"contents": format_dotenv(values)}


@handles(api.GET)
def get_variable(context: Context, stack: str, variable: str) -> Record:
    """Return the variable with this ID. The table is keyed by `key`, so search it."""
    for record in _variables(context, stack).list():
        if str(record["id"]) == variable:
            return record
    raise missing("environment variable")


@handles(api.CREATE)
def create_variable(context: Context, stack: str) -> Record:
    """Start the action that creates a variable."""
    key, value = context.parameters["key"], context.parameters["value"]
    table = _variables(context, stack)
    if any(record["key"] == key for record in table.list()):
        raise Rejected(error_reply(409, "conflict", "There is an environment variable with this key"))
    _check_keys([key])
    return context.start_action(stack, "env-var-new", lambda: _write(table, {key: value}))


@handles(api.UPDATE)
def update_variable(context: Context, stack: str, key: str) -> Record:
    """Start the action that changes a variable."""
    record, value = find(context, ENVIRONMENT_VARIABLES, stack, key), context.parameters["value"]
    if record["readonly"]:
        raise Rejected(error_reply(403, "forbidden", "The environment variable is read-only"))
    return context.start_action(stack, "env-var-update", lambda: _write(_variables(context, stack), {key: value}))


@handles(api.DELETE)
def delete_variable(context: Context, stack: str, key: str) -> None:
    """Delete a variable of the user."""
    record = find(context, ENVIRONMENT_VARIABLES, stack, key)
    if record["readonly"] or record["is_generated"]:
        raise Rejected(error_reply(403, "forbidden", "The environment variable is read-only or generated"))
    _variables(context, stack).delete(key)


@handles(api.REPLACE_ALL)
def replace_variables(context: Context, stack: str) -> Record:
    """Start the action that changes the variables in a file and deletes those of the user that it does not contain."""
    table, values = _variables(context, stack), _values(context)

    def replace() -> None:
        for record in table.list():
            if _type(record) == "user" and record["key"] not in values:
                table.delete(record["key"])
        _write(table, values)

    return context.start_action(stack, "env-var-update", replace)


@handles(api.UPDATE_ALL)
def update_variables(context: Context, stack: str) -> Record:
    """Start the action that changes the variables in a file."""
    table, values = _variables(context, stack), _values(context)
    return context.start_action(stack, "env-var-update", lambda: _write(table, values))


def _write(table: Table[Record], values: Mapping[str, str]) -> None:
    """Create or change variables, except those that are read-only."""
    present = {record["key"]: record for record in table.list()}
    for key, value in values.items():
        record = present.get(key)
        if record is None:
            table.create({"id": table.new_id(), "key": key, "value": value})
        elif not record["readonly"]:
            dates = dict.fromkeys(_DATES, record["updated_at"])
            version = {"key": len(record["history"]) + 1, "value": record["value"], **dates}
            table.update(key, {"value": value, "history": [*record["history"], version]})


def _type(record: Record) -> str:
    return "locked" if record["readonly"] else "generated" if record["is_generated"] else "user"


def _values(context: Context) -> dict[str, str]:
    """Return the variables in the file that the request contains."""
    contents = context.parameters["contents"]
    try:
        if context.parameters["environments_format"] == "dotenv":
            values = {key: value.reveal() for key, value in parse_dotenv(contents).items()}
        else:
            found = msgspec.json.decode(contents, type=dict[str, str | int | float | bool])
            values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    except (ValueError, msgspec.DecodeError) as error:
        raise bad_request(f"The file cannot be read: {error}") from None
    _check_keys(values)
    return values


def _check_keys(keys: Iterable[str]) -> None:
    """Reject keys with a hyphen, as the API does according to another client."""
    if any("-" in key for key in keys):
        raise bad_request("key must not contain a hyphen")
