"""Plans of environment variables that come from the command line, and what is asked before they are carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter

from ...client import Cloud66
from ...resources.environment_variables import ApplyStrategy, EnvironmentPlan, PlanResult
from ...secret import Secret
from ..exits import DONE, USAGE, CommandError
from ..lookup.names import full_name
from ..running import run
from ..terminal.output import count
from ..terminal.prompts import confirm
from ..work.following import Following
from ..work.plans import Planned, carry_out_plans, print_plan, show_plan

__all__ = ["Strategy", "ask", "carry_out", "effect_of", "finish", "plan_of"]

Strategy = Annotated[
    ApplyStrategy | None,
    Parameter(
        help="When the change takes effect: immediately, for which Cloud 66 may restart the code, or with the next "
        "deployment. The default is Cloud 66's. Deletions have no choice."
    ),
]


async def plan_of(c66: Cloud66, stack: str, values: Mapping[str, Secret], *, prune: bool = False) -> EnvironmentPlan:
    """Return the plan that gives a stack these variables. Raises CommandError if one cannot be sent."""
    try:
        return await c66.environment_variables.plan(stack, values, prune=prune)
    except ValueError as error:
        raise CommandError(str(error), code=USAGE) from None


def ask(planned: Sequence[Planned], action: str, *, yes: bool) -> None:
    """Ask before plans are carried out: with a word to type for several stacks, or one in production."""
    if len(planned) > 1:
        confirm(f"{action} on {count(len(planned), 'stack')}", yes=yes, word=str(len(planned)))
        return
    stack = planned[0].stack
    word = stack.name if stack.environment == "production" else None
    confirm(f"{action} of {full_name(stack)}", yes=yes, word=word)


def effect_of(apply_strategy: ApplyStrategy | None) -> str:
    """Return when a change takes effect, for its report."""
    return ", with effect from the next deployment" if apply_strategy == "deployment" else ""


def carry_out(planned: Sequence[Planned], apply_strategy: ApplyStrategy | None, how: Following) -> int:
    """Carry out plans and wait for their actions. Return the exit code."""
    return run(_carry_out(how.access.open(), planned, apply_strategy, how))


async def _carry_out(
    c66: Cloud66, planned: Sequence[Planned], apply_strategy: ApplyStrategy | None, how: Following
) -> int:
    async def apply(one: Planned) -> PlanResult:
        assert isinstance(one.plan, EnvironmentPlan)
        return await c66.environment_variables.apply(one.plan, apply_strategy=apply_strategy)

    async with c66:
        return await carry_out_plans(c66, planned, apply, how, effect=effect_of(apply_strategy))


def finish(
    planned: Sequence[Planned],
    apply_strategy: ApplyStrategy | None,
    how: Following,
    *,
    dry_run: bool = False,
    yes: bool,
    action: str | None = None,
) -> int:
    """Show plans, ask, and carry out those that change something. Return the exit code.

    Args:
        planned: The plans.
        apply_strategy: When the changes take effect.
        how: Whether and how to wait, and how that is told.
        dry_run: Whether to change nothing.
        yes: Whether not to ask.
        action: What is asked. The default is how many variables are changed.
    """
    changing = [] if dry_run else [one for one in planned if one.plan]
    for one in planned:
        if how.json and one not in changing:
            print_plan(one, "planned" if one.plan else "unchanged")
        elif not how.json and (dry_run or not yes or not how.is_quiet):
            show_plan(one, "variable")
    if not changing:
        return DONE
    number = len({key for one in changing for key in one.plan.affected})
    ask(changing, action or f"change {count(number, 'variable')}", yes=yes)
    return carry_out(changing, apply_strategy, how)
