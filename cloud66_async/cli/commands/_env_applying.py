"""The commands `env apply` and `env copy`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from cyclopts import Parameter

from ...bulk import Failed
from ...client import Cloud66
from ...resources.environment_variables import EnvironmentPlan
from ...resources.stacks import Stack
from ...secret import Secret
from ..exits import USAGE, CommandError, failure_of, worst
from ..lookup.keys import unknown_key
from ..lookup.names import find_stack, find_stacks, full_name
from ..options import ChangedStackName, Environment, Yes
from ..running import run
from ..terminal.console import plain, warn
from ..terminal.output import count
from ..work.following import DEFAULT_FOLLOWING, Following
from ..work.plans import Planned
from ._env_files import FileFormat, format_of, parse_variables, read_source
from ._env_plans import Strategy, finish, plan_of
from ._env_reading import note_of

__all__ = ["apply", "copy"]

DryRun = Annotated[bool, Parameter(negative="", show_default=False, help="Show what would change, and change nothing.")]
Keys = Annotated[list[str] | None, Parameter(negative="")]


def apply(
    stack: ChangedStackName,
    file: Annotated[str, Parameter(allow_leading_hyphen=True, help="File with variables, or - for standard input.")],
    *,
    environment: Environment = None,
    file_format: Annotated[
        FileFormat | None,
        Parameter(name=["--format", "-f"], help="Format of the file; the default is that of its name or its text."),
    ] = None,
    delete: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Delete the variables that are not in the file."),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    apply_strategy: Strategy = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Change a stack's environment variables to those in a file.

    For example:
      cloud66-async env export web/staging --output web.env
      cloud66-async env apply web/staging web.env --dry-run

    What would change is shown first. Variables that are read-only or that Cloud 66 generates are left alone. In
    dotenv files, references such as ${NAME} are not expanded. Standard input cannot be read and asked at once: it
    needs --yes or --dry-run.
    """
    text = read_source(file)
    values = parse_variables(text, file_format or format_of(file, text), file)
    planned = run(_plan(how.access.open(), stack, environment, values, prune=delete))
    return finish([planned], apply_strategy, how, dry_run=dry_run, yes=yes)


def copy(
    source: Annotated[str, Parameter(help="Stack that has the variables (whole names only).")],
    targets: Annotated[list[str], Parameter(negative="", help="Stacks that receive them (whole names only).")],
    *,
    only: Annotated[Keys, Parameter(help="Keys to copy, separated by commas; the default is all.")] = None,
    except_: Annotated[Keys, Parameter(name="--except", help="Keys not to copy, separated by commas.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    apply_strategy: Strategy = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Copy environment variables to other stacks.

    For example:
      cloud66-async env copy web/staging web/production --only LOG_LEVEL,WORKERS

    What would change is shown first. Variables that are read-only or that Cloud 66 generates, in either stack, are
    left alone. Other variables of the targets are kept.
    """
    planned = run(_plan_copies(how.access.open(), source, targets, _split(only), _split(except_)))
    return finish(planned, apply_strategy, how, dry_run=dry_run, yes=yes)


async def _plan(c66: Cloud66, name: str, environment: str | None, values: dict[str, Secret], *, prune: bool) -> Planned:
    async with c66:
        stack = await find_stack(c66, name, environment, changing=True)
        return Planned(stack, await plan_of(c66, stack.uid, values, prune=prune))


# --- copying -------------------------------------------------------------------------------------


def _split(texts: Iterable[str] | None) -> list[str] | None:
    if texts is None:
        return None
    return [key for text in texts for part in text.split(",") if (key := part.strip())]


async def _plan_copies(
    c66: Cloud66, source: str, targets: Sequence[str], only: Sequence[str] | None, without: Sequence[str] | None
) -> list[Planned]:
    """Return a plan for each target. Raises CommandError if one of the stacks cannot be read."""
    async with c66:
        origin = await find_stack(c66, source, changing=True)
        found = await find_stacks(c66, targets, changing=True)
        if any(stack.uid == origin.uid for stack in found):
            raise CommandError(f"cannot copy from {full_name(origin)} to itself", code=USAGE)
        keys = await _keys(c66, origin, only, without)

        async def plan(stack: Stack) -> EnvironmentPlan:
            return await c66.environment_variables.plan_copy(origin.uid, stack.uid, only=keys)

        try:
            results = await c66.collect(plan, found)
        except ValueError as error:  # the source has changed meanwhile
            raise CommandError(str(error)) from None
    failures = [(full_name(result.item), failure_of(result.error)) for result in results if isinstance(result, Failed)]
    if failures:
        lines = [f"  {name}: {failure.text}" for name, failure in failures]
        code = worst([failure.code for _, failure in failures])
        problem = f"nothing was changed: cannot read {len(failures)} of {count(len(found), 'stack')}"
        raise CommandError(problem, *lines, code=code)
    return [Planned(result.item, result.value) for result in results if not isinstance(result, Failed)]


async def _keys(
    c66: Cloud66, origin: Stack, only: Sequence[str] | None, without: Sequence[str] | None
) -> list[str] | None:
    """Return the keys to copy, or None for all of the user's. Raises CommandError if one does not exist."""
    notes = {variable.key: note_of(variable) for variable in await c66.environment_variables.list(origin.uid)}
    for key in (*(only or ()), *(without or ())):
        if key not in notes:
            raise unknown_key("variable", key, notes, origin)
    fixed = [key for key in (only or ()) if notes[key]]
    if fixed:
        shown = ", ".join(f"{plain(key)} ({notes[key]})" for key in fixed)
        raise CommandError(f"cannot copy from {full_name(origin)}: {shown}; nothing was changed")
    left_out = [key for key, note in notes.items() if note and key not in (without or ())]
    if only is None and left_out:
        kind = "variable, which is" if len(left_out) == 1 else "variables, which are"
        warn(f"Left out: {len(left_out)} {kind} generated or read-only in {full_name(origin)}")
    if only is None and without is None:
        return None
    return [key for key in (notes if only is None else only) if not notes[key] and key not in (without or ())]
