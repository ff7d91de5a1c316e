"""Stack settings: the options of a stack, for example its name and its branch."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._core.arguments import check_text
from .._core.model import Model
from ..operation import get, many, put
from ..pager import Pager
from . import _settings_plan
from ._plan import PlanResult
from ._resource import Resource
from ._settings_plan import SettingsPlan
from .actions import Action

__all__ = ["Setting", "SettingsPlan", "StackSettings"]


@attrs.frozen(kw_only=True)
class Setting(Model):
    """One setting of a stack or of a server. Only the lists contain every field."""

    key: str  # name with dots, for example `git.branch`
    id: str | None = None  # name with dashes, for example `git-branch`
    value: str | bool | int | None = None  # numbers are not documented
    readonly: bool | None = None  # whether it cannot be changed
    hidden: bool | None = None  # whether Cloud 66 does not show it in its own pages
    warning_text: str | None = None  # what to know before changing it


LIST = get("/stacks/{stack}/settings.json", many(Setting), scope="public")
GET = get("/stacks/{stack}/settings/{setting}.json", Setting, scope="public")
UPDATE = put("/stacks/{stack}/settings/{setting}.json", Action, scope="admin", body={"value": str})


def setting_id(setting: str) -> str:
    """Return the ID of the setting with this key or ID."""
    check_text("setting", setting)
    return setting.replace(".", "-")


class StackSettings(Resource):
    """Settings of a stack. Methods take a key with dots, or an ID with dashes instead of the dots."""

    def list(self, stack: str) -> Pager[Setting]:
        """List the settings of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, setting: str) -> Setting:
        """Return the setting with this key."""
        return await self._call(GET.bind(stack=stack, setting=setting_id(setting)))

    async def update(self, stack: str, setting: str, *, value: str) -> Action:
        """Change a setting. Return the action. Values are sent as text, for example `true`."""
        return await self._start(UPDATE, stack, setting=setting_id(setting), value=value)

    async def plan(self, stack: str, settings: Mapping[str, str | bool | int]) -> SettingsPlan:
        """Read the settings of the stack and return which of these have to change. Nothing is changed before `apply`.

        Raises ValueError if the stack does not have one of the settings.
        """
        return await _settings_plan.make(self._fresh, stack, settings)

    async def apply(self, plan: SettingsPlan) -> PlanResult:
        """Change the settings of a plan, with one request each. Return the actions that were started.

        If the first request fails, raises its error. If a later one fails, raises PlanUnfinished, which tells what was
        done.
        """
        if not isinstance(plan, SettingsPlan):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid plan: expected a SettingsPlan, not {type(plan).__name__}")
        return await _settings_plan.apply(self, plan)
