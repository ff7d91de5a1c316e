"""Application groups in the sandbox. The stacks with one name are a group."""

from __future__ import annotations

from ...resources import application_groups as api
from ..handling import Context, handles, missing
from ..table import Record
from .notifications import set_alerts

__all__: list[str] = []


@handles(api.UPDATE_NOTIFICATIONS)
def update_notifications(context: Context) -> Record:
    """Change the settings of alerts for every stack of the group. All of them have the same alerts."""
    name, alerts = context.parameters["application_group_name"], context.parameters["alerts"]
    stacks = [stack for stack in context.world.visible(context.accounts) if stack.name == name]
    results = [set_alerts(context, stack, alerts) for stack in stacks]
    if not results:
        raise missing("application group")
    return results[0]
