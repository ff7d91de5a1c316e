"""Server settings: the options of one server."""

from __future__ import annotations

from ..operation import get, many, put
from ..pager import Pager
from ._resource import Resource
from .actions import Action
from .stack_settings import Setting, setting_id

__all__ = ["ServerSettings"]

LIST = get("/stacks/{stack}/servers/{server}/settings.json", many(Setting), scope="public")
GET = get("/stacks/{stack}/servers/{server}/settings/{setting}.json", Setting, scope="public")
UPDATE = put("/stacks/{stack}/servers/{server}/settings/{setting}.json", Action, scope="admin", body={"value": str})


class ServerSettings(Resource):
    """Settings of a server. Methods take a key with dots, or an ID with dashes instead of the dots."""

    def list(self, stack: str, server: str) -> Pager[Setting]:
        """List the settings of the server."""
        return self._pages(LIST.bind(stack=stack, server=server))

    async def get(self, stack: str, server: str, setting: str) -> Setting:
        """Return the setting with this key."""
        return await self._call(GET.bind(stack=stack, server=server, setting=setting_id(setting)))

    async def update(self, stack: str, server: str, setting: str, *, value: str) -> Action:
        """Change a setting. Return the action. Values are sent as text, for example `true`."""
        return await self._start(UPDATE, stack, server=server, setting=setting_id(setting), value=value)
