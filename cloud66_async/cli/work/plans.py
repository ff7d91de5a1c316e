"""Plans of changes on several stacks: shown, carried out concurrently, and reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ...bulk import Failed, Ok
from ...client import Cloud66
from ...errors import Cloud66Error, TransportError
from ...resources._plan import Plan, PlanResult, PlanUnfinished
from ...resources.stacks import Stack
from ...secret import Secret
from ..exits import Stopped, failure_of, worst
from ..lookup.names import full_name
from ..terminal.console import has_colors, plain, print_line, report, warn
from ..terminal.output import count
from ..terminal.table import paint
from .following import Following, Pending, follow_all

__all__ = ["AnyPlan", "Planned", "carry_out_plans", "print_plan", "show_plan"]

AnyPlan = Plan[Secret] | Plan[str]

_STYLES = {"+": "green", "~": "yellow", "-": "red", "=": "dim"}


class Planned(NamedTuple):
    """What would change on one stack.

    Args:
        stack: The stack.
        plan: Its plan.
    """

    stack: Stack
    plan: AnyPlan


def show_plan(planned: Planned, kind: str) -> None:
    """Print a plan: one line for each change, and how many there are. `kind` is what changes, such as `variable`."""
    plan, colors = planned.plan, has_colors()
    report(f"{full_name(planned.stack)}: {_intent(plan, kind)}")
    if plan or plan.left_alone:
        for line in str(plan).split("\n"):
            text = f"  {plain(line)}"
            report(paint(text, _STYLES[line[0]]) if colors and line[0] in _STYLES else text)


def print_plan(planned: Planned, state: str, actions: Sequence[int] = ()) -> None:
    """Print a plan as one line of JSON, with secrets masked. `state` tells what has become of it."""
    values = planned.plan.to_dict()
    uid = values.pop("stack")
    values = {"uid": uid, "name": full_name(planned.stack), "state": state, "actions": list(actions), **values}
    print_line(json.dumps(values, separators=(",", ":")))


def _intent(plan: AnyPlan, kind: str) -> str:
    parts = ((plan.added, "add"), (plan.changed, "change"), (plan.deleted, "delete"))
    found = ", ".join(f"{len(keys):,} to {word}" for keys, word in parts if keys)
    return found or f"nothing to do, {count(len(plan.unchanged), kind)} already equal"


def _summary(plan: AnyPlan) -> str:
    parts = ((plan.added, "added"), (plan.changed, "changed"), (plan.deleted, "deleted"))
    return ", ".join(f"{len(keys):,} {word}" for keys, word in parts if keys)


async def carry_out_plans(
    c66: Cloud66,
    planned: Sequence[Planned],
    apply: Callable[[Planned], Awaitable[PlanResult]],
    how: Following,
    *,
    effect: str = "",
) -> int:
    """Carry out plans concurrently, wait for the actions that they start, and print the results. Return the exit code.

    Args:
        c66: Client.
        planned: Plans that change something.
        apply: Function that carries out one of them.
        how: Whether and how to wait, and how that is told.
        effect: When the changes take effect, for the report.
    """
    try:
        results = await c66.collect(apply, planned)
    except asyncio.CancelledError:
        raise Stopped(
            "Stopped. Some of the changes may have been made.", "Run the command again: it does what remains."
        ) from None
    codes: list[int] = []
    pending: list[Pending] = []
    for result in results:
        stack, started = result.item.stack, _actions(result)
        if isinstance(result, Failed):
            codes.append(_report_failure(result))
        elif not how.is_quiet:
            ids = ", ".join(str(one.action.id) for one in started)
            report(f"{full_name(stack)}: {_summary(result.item.plan)}{effect}{ids and f' (action {ids})'}")
        pending += started
    states: dict[str, list[str]] = {}
    if pending and how.waiting.wait:
        code, tasks = await follow_all(c66, pending, how)
        codes.append(code)
        for task in tasks:
            states.setdefault(task.uid, []).append(task.state.value)
    if how.json:
        for result in results:
            print_plan(result.item, _state(result, states), [one.action.id for one in _actions(result)])
    return worst(codes)


def _actions(result: Ok[Planned, PlanResult] | Failed[Planned]) -> list[Pending]:
    """Return the actions that a plan has started, also if it was carried out only in part."""
    if isinstance(result, Ok):
        started = result.value.actions
    else:
        started = result.error.result.actions if isinstance(result.error, PlanUnfinished) else ()
    return [Pending(result.item.stack, action) for action in started]


def _state(result: Ok[Planned, PlanResult] | Failed[Planned], states: dict[str, list[str]]) -> str:
    """Return what has become of a plan: that of its actions that did not succeed, if there is one."""
    if isinstance(result, Failed):
        return "partly-done" if isinstance(result.error, PlanUnfinished) else "failed"
    if not result.value.actions:
        return "done"  # deletions start no action
    found = states.get(result.item.stack.uid, ["running"])
    return next((state for state in found if state != "succeeded"), "succeeded")


def _report_failure(result: Failed[Planned]) -> int:
    """Print how far a plan was carried out. Return the exit code."""
    name = full_name(result.item.stack)
    for number, line in enumerate(_failure_lines(name, result.item.plan, result.error)):
        warn(line, label="" if number else "error:")
    error = result.error
    return failure_of(error.error if isinstance(error, PlanUnfinished) else error).code


def _failure_lines(name: str, plan: AnyPlan, error: Cloud66Error) -> Iterator[str]:
    cause = error.error if isinstance(error, PlanUnfinished) else error
    failure, may_be_done = failure_of(cause), isinstance(cause, TransportError) and cause.sent
    if isinstance(error, PlanUnfinished):
        done = error.result
        yield f"{name}: {len(done.done)} of {len(plan.affected)} changes were made: {failure.text}"
        for word, keys in (("done", done.done), ("failed", done.failed), ("not started", done.not_started)):
            if keys:
                yield f"  {word:<11}  {_names(keys)}"
    else:
        outcome = "the changes may have been made" if may_be_done else "nothing was changed"
        yield f"{name}: {outcome}: {failure.text}"
    yield from (f"  {line}" for line in failure.advice)
    if may_be_done or isinstance(error, PlanUnfinished):
        yield "  Run the command again: it does what remains."


def _names(keys: Iterable[str]) -> str:
    return ", ".join(plain(key) for key in keys)
