"""Stack settings in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from ...resources import stack_settings as api
from ...resources.stack_settings import Setting
from ..handling import Context, Listing, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..stack import FakeStack
from ..table import Kind, Record, Table, register

__all__ = ["STACK_SETTINGS", "Settings", "another", "new_setting"]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def new_setting(key: str, value: object = "", *, readonly: bool = False, warning: str | None = None) -> Record:
    """Return every field of a setting. If the value is a boolean, it remains one."""
    return {
        "id": key.replace(".", "-"),
        "key": key,
        "value": value,
        "readonly": readonly,
        "hidden": False,
        "warning_text": warning,
    }


def sample(_stack: FakeStack) -> Iterator[Record]:
    """Yield the settings of a stack."""
    yield new_setting("allowed.web.source", None)
    yield new_setting("asset.prefix", "assets")
    yield new_setting("continuous.deploy", value=False)
    yield new_setting("custom.build.command", None)
    yield new_setting("custom.deploy.command", None)
    yield new_setting("db.check.backup.size", value=True)
    yield new_setting("git.branch", warning="The next deployment uses the new branch.")
    yield new_setting("git.repository", readonly=True)
    yield new_setting("logrotate.app.frequency", "daily")
    yield new_setting("logrotate.app.keep.count", "14")
    yield new_setting("maintenance.mode", value=False, warning="Visitors see the maintenance page.")
    yield new_setting("reconfigure.nginx", value=False)
    yield new_setting("stack.name")


def another(_owner: object, number: int, given: Mapping[str, object]) -> Record:
    """Return one more setting of a stack or of a server."""
    return new_setting(str(given.get("key", f"custom.setting.{number}")))


STACK_SETTINGS = register(Kind("stack setting", model=Setting, sample=sample, another=another))


@attrs.frozen
class Settings:
    """The settings of a stack or of a server.

    Args:
        table: Table of the settings.
        owner: Fields of the stack or of the server.
        fields: Names of the fields that are values of settings, by the keys of the settings.
    """

    table: Table[Record]
    owner: Record
    fields: Mapping[str, str]

    def list(self) -> list[Record]:
        """Return every setting."""
        return [{**record, "value": self._value(record)} for record in self.table.list()]

    def get(self, setting: str) -> Record:
        """Return one setting, with fewer fields than in the list."""
        record = self._find(setting)
        return {"key": record["key"], "value": self._value(record)}

    def update(self, context: Context, name: str, stack: str, setting: str, *, server: str | None = None) -> Record:
        """Start the action that changes a setting, and the stack or the server if the setting is a field of it."""
        record, text = self._find(setting), context.parameters["value"]
        field = self.fields.get(record["key"])
        if record["readonly"]:
            raise Rejected(error_reply(403, "forbidden", "The setting is read-only"))
        value = _BOOLEANS.get(text.lower()) if isinstance(record["value"], bool) else text
        if value is None or (field is not None and value == ""):
            raise bad_request("value must be true or false" if value is None else "value must not be empty")

        def change() -> None:
            record["value"] = value
            if field is not None:
                self.owner[field] = value

        return context.start_action(stack, f"{name}: {record['key']}", change, server=server)

    def _find(self, setting: str) -> Record:
        try:
            return self.table.get(setting)
        except KeyError:
            raise missing("setting") from None

    def _value(self, record: Record) -> object:
        field = self.fields.get(record["key"])
        return record["value"] if field is None else self.owner[field]


_FIELDS = {
    "git.branch": "git_branch",
    "git.repository": "git",
    "maintenance.mode": "maintenance_mode",
    "stack.name": "name",
}


def _settings(context: Context, stack: str) -> Settings:
    found = context.stack(stack)
    return Settings(context.world.table(STACK_SETTINGS, found), found.data, _FIELDS)


@handles(api.LIST)
def list_settings(context: Context, stack: str) -> Listing[Record]:
    """List the settings of the stack."""
    return Listing(_settings(context, stack).list())


@handles(api.GET)
def get_setting(context: Context, stack: str, setting: str) -> Record:
    """Return one setting of the stack."""
    return _settings(context, stack).get(setting)


@handles(api.UPDATE)
def update_setting(context: Context, stack: str, setting: str) -> Record:
    """Start the action that changes a setting of the stack."""
    return _settings(context, stack).update(context, "stack-set", stack, setting)
