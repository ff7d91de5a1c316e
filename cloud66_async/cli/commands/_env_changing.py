"""The commands `env set` and `env unset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import attrs
from cyclopts import Parameter

from ...client import Cloud66
from ...resources.environment_variables import EnvironmentPlan
from ...secret import Secret
from ..exits import USAGE, CommandError
from ..lookup.keys import unknown_key
from ..lookup.names import find_stack, full_name
from ..options import ChangedStackName, Environment, Yes
from ..running import run
from ..terminal.console import plain
from ..terminal.output import count
from ..terminal.prompts import ask_secret
from ..work.following import DEFAULT_FOLLOWING, Following
from ..work.plans import Planned
from ._env_files import read_source
from ._env_plans import Strategy, finish, plan_of

__all__ = ["set_", "unset"]


def set_(
    stack: ChangedStackName,
    variables: Annotated[list[str], Parameter(negative="", help="KEY=VALUE, KEY=@FILE, KEY=- or KEY.")],
    *,
    literal: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Take every VALUE as it is, also if it is - or starts with @."),
    ] = False,
    environment: Environment = None,
    apply_strategy: Strategy = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Set environment variables, and wait until Cloud 66 has stored them.

    For example:
      cloud66-async env set web/production LOG_LEVEL=debug WORKERS=4
      cloud66-async env set web/production SECRET_KEY_BASE CERTIFICATE=@cert.pem

    Other users of this computer can see a value on the command line, and your shell may keep it. Secrets are safer
    as KEY alone, which asks for the value, KEY=@FILE, which reads it from a file, or KEY=-, which reads it from
    standard input. One line break at the end of a file or of standard input does not belong to the value.
    """
    values = _values(variables, literal=literal)
    planned = run(_plan_values(how.access.open(), stack, environment, values))
    return finish([planned], apply_strategy, how, yes=True)


def unset(
    stack: ChangedStackName,
    keys: Annotated[list[str], Parameter(negative="", help="Names of the variables.")],
    *,
    environment: Environment = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Delete environment variables.

    Those that are read-only or that Cloud 66 generates cannot be deleted.
    """
    planned = run(_plan_deletion(how.access.open(), stack, environment, keys))
    return finish([planned], None, how, yes=yes, action=f"delete {count(len(planned.plan.deleted), 'variable')}")


async def _plan_values(c66: Cloud66, name: str, environment: str | None, values: dict[str, Secret]) -> Planned:
    """Return a plan that sets variables. Raises CommandError if one of them cannot be changed."""
    async with c66:
        stack = await find_stack(c66, name, environment, changing=True)
        plan = await plan_of(c66, stack.uid, values)
    if plan.left_alone:
        raise _fixed("change", plan, list(plan.left_alone), full_name(stack))
    return Planned(stack, plan)


async def _plan_deletion(c66: Cloud66, name: str, environment: str | None, keys: Sequence[str]) -> Planned:
    """Return a plan that deletes variables with these keys. Raises CommandError if one of them cannot be deleted."""
    async with c66:
        stack = await find_stack(c66, name, environment, changing=True)
        every = await c66.environment_variables.plan(stack.uid, {}, prune=True)
    for key in keys:
        if key not in every.deleted and key not in every.left_alone:
            raise unknown_key("variable", key, [*every.deleted, *every.left_alone], stack)
    fixed = [key for key in keys if key in every.left_alone]
    if fixed:
        raise _fixed("delete", every, fixed, full_name(stack))
    chosen = tuple(key for key in every.deleted if key in keys)
    return Planned(stack, attrs.evolve(every, deleted=chosen, left_alone={}, exact=False))


def _fixed(verb: str, plan: EnvironmentPlan, keys: Sequence[str], name: str) -> CommandError:
    shown = ", ".join(f"{plain(key)} ({plan.left_alone[key]})" for key in keys)
    return CommandError(f"cannot {verb} {count(len(keys), 'variable')} of {name}: {shown}; nothing was changed")


# --- values on the command line ------------------------------------------------------------------


def _values(texts: Sequence[str], *, literal: bool) -> dict[str, Secret]:
    """Return the variables that the arguments name. Raises CommandError."""
    found: dict[str, Secret] = {}
    if sum(text.endswith("=-") and text.count("=") == 1 for text in texts) > 1 and not literal:
        raise CommandError("only one value can come from standard input (KEY=-)", code=USAGE)
    for text in texts:
        key, assigned, value = text.partition("=")
        if not key or key in found:
            problem = f"{plain(key)} is given twice" if key else f"{plain(text)!r} has no name before ="
            raise CommandError(problem, "Write KEY=VALUE, KEY=@FILE, KEY=- or KEY", code=USAGE)
        found[key] = _value(key, value, literal=literal) if assigned else Secret(ask_secret(f"Value of {key}"))
    return found


def _value(key: str, value: str, *, literal: bool) -> Secret:
    if literal or not (value == "-" or value.startswith("@")):
        return Secret(value)
    if value == "@":
        raise CommandError(f"{plain(key)}=@ names no file", "For the value @ itself, add --literal", code=USAGE)
    text = read_source(value if value == "-" else value[1:]).reveal()
    return Secret(text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text)
