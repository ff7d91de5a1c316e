"""Server settings in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import server_settings as api
from ...resources.stack_settings import Setting
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..table import Kind, Record, register
from .servers import SERVERS
from .stack_settings import Settings, another, new_setting

__all__ = ["SERVER_SETTINGS"]

_FIELDS = {"server.distro": "distro", "server.name": "name"}


def sample(_server: Record) -> Iterator[Record]:
    """Yield the settings of a server. No source has their keys, so these are made up."""
    yield new_setting("server.name", warning="The DNS name of the server does not change.")
    yield new_setting("server.distro", readonly=True)
    yield new_setting("security.updates", value=True)
    yield new_setting("server.comment", None)


SERVER_SETTINGS = register(Kind("server setting", model=Setting, sample=sample, another=another, parent=SERVERS))


def _settings(context: Context, stack: str, server: str) -> Settings:
    (table,) = tables_of(context, SERVER_SETTINGS, stack, server)
    return Settings(table, find(context, SERVERS, stack, server), _FIELDS)


@handles(api.LIST)
def list_settings(context: Context, stack: str, server: str) -> Listing[Record]:
    """List the settings of the server, without their IDs."""
    records = _settings(context, stack, server).list()
    return Listing(records, lambda record: {name: value for name, value in record.items() if name != "id"})


@handles(api.GET)
def get_setting(context: Context, stack: str, server: str, setting: str) -> Record:
    """Return one setting of the server."""
    return _settings(context, stack, server).get(setting)


@handles(api.UPDATE)
def update_setting(context: Context, stack: str, server: str, setting: str) -> Record:
    """Start the action that changes a setting of the server."""
    return _settings(context, stack, server).update(context, "server-set", stack, setting, server=server)
