"""The commands `settings` and `settings set`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from ...client import Cloud66
from ...resources.stack_settings import Setting, SettingsPlan
from ...resources.stacks import Stack
from ..exits import DONE, USAGE, CommandError
from ..lookup.keys import unknown_key
from ..lookup.names import find_stack, full_name
from ..options import (
    DEFAULT_ACCESS,
    DEFAULT_OUTPUT,
    Access,
    ChangedStackName,
    Environment,
    Output,
    StackName,
    Yes,
)
from ..running import run
from ..terminal.console import plain, report
from ..terminal.output import Field, Listing
from ..terminal.prompts import confirm
from ..terminal.secrets_shown import cut, one_line, room_beside
from ..work.following import DEFAULT_FOLLOWING, Following
from ..work.plans import Planned, carry_out_plans, print_plan

__all__ = ["app", "set_", "settings"]

app: App = App(
    name="settings",
    help="List the settings of a stack, or change one.",
    help_format="plaintext",
    result_action="return_value",
)

_NOTE = 9  # read-only


@app.default
def settings(
    stack: StackName,
    *,
    environment: Environment = None,
    all_: Annotated[
        bool,
        Parameter(name="--all", negative="", show_default=False, help="Include settings that the dashboard hides."),
    ] = False,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the settings of a stack.

    To change one: cloud66-async settings set web/production git.branch main
    """
    found = run(_read(access.open(), stack, environment))
    rows = sorted((one for one in found if all_ or not one.hidden), key=lambda one: one.key)
    output.show(_listing(rows, output), rows)


@app.command(name="set")
def set_(
    stack: ChangedStackName,
    key: Annotated[str, Parameter(help="Key of the setting, with dots or dashes, for example git.branch.")],
    value: Annotated[str, Parameter(allow_leading_hyphen=True, help='New value; "" clears the setting.')],
    *,
    environment: Environment = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Change a setting of a stack, and wait until Cloud 66 has done so.

    For example:
      cloud66-async settings set web/production maintenance.mode true

    If Cloud 66 warns of a change, the command shows the warning and asks.
    """
    found, setting, plan = run(_plan(how.access.open(), stack, environment, key, value))
    before, name = _quoted(_text(setting.value)), full_name(found)
    if not plan:
        if how.json:
            print_plan(Planned(found, plan), "unchanged")
        else:
            report(f"{name}: nothing to do, {plain(setting.key)} is already {before}")
        return DONE
    asks = bool(setting.warning_text) and not yes
    if asks or not how.is_quiet:
        report(f"{name}: {plain(setting.key)}: {before} → {_quoted(plan.changed[setting.key])}")
    if asks:
        report(f"  {plain(setting.warning_text)}")
        confirm(f"change {plain(setting.key)} of {name}", yes=yes)
    return run(_change(how.access.open(), found, plan, how))


async def _read(c66: Cloud66, name: str, environment: str | None) -> Sequence[Setting]:
    async with c66:
        return await c66.stack_settings.list((await find_stack(c66, name, environment)).uid)


async def _plan(
    c66: Cloud66, name: str, environment: str | None, key: str, value: str
) -> tuple[Stack, Setting, SettingsPlan]:
    """Return the stack, the setting as it is, and the plan to change it. Raises CommandError."""
    async with c66:
        stack = await find_stack(c66, name, environment, changing=True)
        setting = _find(key, await c66.stack_settings.list(stack.uid), stack)
        try:
            return stack, setting, await c66.stack_settings.plan(stack.uid, {setting.key: value})
        except ValueError as error:
            raise CommandError(str(error), code=USAGE) from None


def _find(key: str, settings: Sequence[Setting], stack: Stack) -> Setting:
    """Return the setting with this key. Raises CommandError if there is none, or if it cannot be changed."""
    wanted = key.replace(".", "-").casefold()
    setting = next((one for one in settings if one.key.replace(".", "-").casefold() == wanted), None)
    if setting is None:
        raise unknown_key("setting", key, [one.key for one in settings], stack)
    if setting.readonly:
        raise CommandError(f"cannot change {plain(setting.key)} of {full_name(stack)}: it is read-only")
    return setting


async def _change(c66: Cloud66, stack: Stack, plan: SettingsPlan, how: Following) -> int:
    async with c66:
        planned = [Planned(stack, plan)]
        return await carry_out_plans(c66, planned, lambda _: c66.stack_settings.apply(plan), how)


def _listing(rows: Sequence[Setting], output: Output) -> Listing[Setting]:
    """Return how settings are listed: values in full for programs, and on one line in tables."""
    width = max((len(plain(setting.key)) for setting in rows), default=0)
    room = None if output.wide or output.columns is not None else room_beside(width, _NOTE)
    exact = output.json or output.csv

    def value(setting: Setting) -> str | None:
        if setting.value is None:
            return None
        return _text(setting.value) if exact else cut(one_line(_text(setting.value)), room)

    return Listing.of_models(
        "setting",
        Field("key", lambda setting: setting.key),
        Field("value", value),
        Field("note", lambda setting: "read-only" if setting.readonly else None, dropped=1),
        Field("warning", lambda setting: setting.warning_text, extra=True),
    )


def _text(value: str | bool | int | None) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value)


def _quoted(value: str) -> str:
    """Return a value as part of a sentence: with quotes if it is empty or has spaces."""
    shown = plain(value)
    return f'"{shown}"' if not shown or " " in shown else shown
