"""Planning and changing several settings of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from .._core.arguments import check_text
from ._plan import Plan, PlanResult, Progress, differences

if TYPE_CHECKING:
    from .stack_settings import Setting, StackSettings

__all__ = ["SettingsPlan", "apply", "make"]


@attrs.frozen(kw_only=True, repr=False)
class SettingsPlan(Plan[str]):
    """What would change in the settings of a stack.

    `changed` and `unchanged` hold the values by key, and `left_alone` the reason for each setting that would differ if
    it could be changed: it is `read-only`. `added` and `deleted` are empty, because settings can only be changed.
    Printed, a plan has one line for each change; one that changes nothing is false.
    """


async def make(
    settings: StackSettings,
    stack: str,
    desired: Mapping[str, str | bool | int],
) -> SettingsPlan:
    """Read the settings of the stack and return what has to change."""
    if not isinstance(desired, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid settings: expected a mapping, not {type(desired).__name__}")
    given = {key.replace(".", "-"): (key, value) for key, value in desired.items() if check_text("setting", key)}
    found: dict[str, Setting] = {}
    wanted: dict[str, str] = {}
    for setting in await settings.list(stack):
        key, value = given.pop(setting.key.replace(".", "-"), (None, None))
        if key is not None:
            found[setting.key] = setting
            wanted[setting.key] = _text(key, value, setting)
    if given:
        key, _ = next(iter(given.values()))
        raise ValueError(f"unknown setting {key!r} of stack {stack}: see list() for the settings that it has")
    present = {key: _text(key, setting.value, setting) for key, setting in found.items()}
    fixed = {key: "read-only" for key, setting in found.items() if setting.readonly}
    return SettingsPlan(stack=stack, **differences(wanted, present, fixed=fixed))


def _text(key: str, value: object, setting: Setting) -> str:
    """Return a value as it is sent. Null is an empty value, and case does not matter in a setting that is a boolean."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if not isinstance(value, str | int):
        raise TypeError(f"invalid value of setting {key!r}: expected a string, not {type(value).__name__}")
    return str(value).lower() if isinstance(setting.value, bool) else str(value)


async def apply(settings: StackSettings, plan: SettingsPlan) -> PlanResult:
    """Change the settings one by one."""
    progress = Progress(plan.stack, plan.affected)
    for key, value in plan.changed.items():
        await progress.make([key], settings.update(plan.stack, key, value=value))
    return progress.result()
