"""Planning and changing the environment variables of a stack as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

import attrs
import msgspec

from .._core.arguments import check_iterable, check_text
from ..dotenv import parse_dotenv
from ..errors import APIError, ConfigError, NotFound, Unsupported
from ..pager import Pager
from ..secret import Secret, conceal
from ._plan import Plan, PlanResult, Progress, differences

if TYPE_CHECKING:
    from .actions import Action
    from .environment_variables import ApplyStrategy, EnvironmentsFormat, EnvironmentVariable, EnvironmentVariables

__all__ = ["EnvironmentPlan", "Present", "SecretFile", "apply", "copied", "make", "names", "read", "secrets"]


@attrs.frozen(kw_only=True, repr=False)
class EnvironmentPlan(Plan[Secret]):
    """What would change in the environment variables of a stack.

    `added`, `changed` and `unchanged` hold the values by key, `deleted` the keys, and `left_alone` the reason for each
    key that would differ if it could be changed: it is `read-only` or `generated`. `affected` has the keys of
    everything that would change. Values are redacted in output and in `to_dict()`, but not in pickles. Printed, a plan
    has one line for each change; one that changes nothing is false. Plans are equal if they would do the same.

    `exact` tells whether the plan considers every variable, so that the user's variables would be exactly the desired
    ones. `pages` is the number of pages from which the present variables were read.
    """

    exact: bool = False
    pages: int = attrs.field(default=1, eq=False)


# --- what is desired -----------------------------------------------------------------------------


def secrets(desired: object) -> dict[str, Secret] | TypeError | ValueError:
    """Return the desired values as secrets, or an error that the caller raises without them in its local variables."""
    if not isinstance(desired, Mapping):
        return TypeError(
            f"invalid variables: expected a mapping, not {type(desired).__name__}; read dotenv text with parse_dotenv()"
        )
    found: dict[str, Secret] = {}
    for key, value in cast("Mapping[object, object]", desired).items():
        if not isinstance(key, str):
            return TypeError(f"invalid name of an environment variable: expected a string, not {type(key).__name__}")
        if not isinstance(value, str | Secret):
            return TypeError(f"invalid value of {key!r}: expected a string, not {type(value).__name__}")
        secret = conceal(value)
        if not key or not _sendable(key) or not _sendable(secret.reveal()):
            return ValueError(f"invalid environment variable {key!r}: the name is empty, or a surrogate is in it")
        found[key] = secret
    return found


def _sendable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def names(only: Iterable[str]) -> Iterator[str]:
    """Yield the names of variables. Raises TypeError for a string, whose characters would be the names."""
    if isinstance(only, str):
        raise TypeError("invalid only: expected an iterable of names, not str")
    check_iterable("only", only)
    for name in only:
        if check_text("name in only", name):
            yield name


# --- what is present -----------------------------------------------------------------------------


class Present(NamedTuple):
    """The variables of a stack.

    `values` has None for a value that the API does not return, and `fixed` the reason why a variable is left alone.
    """

    values: Mapping[str, Secret | None]
    fixed: Mapping[str, str]
    pages: int

    def only(self, keys: frozenset[str]) -> Present:
        """Return the variables with these keys."""
        return self._replace(values={key: value for key, value in self.values.items() if key in keys})


async def read(listed: Pager[EnvironmentVariable]) -> Present:
    """Read the variables of a stack."""
    values: dict[str, Secret | None] = {}
    fixed: dict[str, str] = {}
    pages = 0
    async for page in listed.pages():
        pages += 1
        for variable in page.items:
            values[variable.key] = variable.value
            if variable.readonly or variable.is_generated:
                fixed[variable.key] = "read-only" if variable.readonly else "generated"
    return Present(values, fixed, pages)


# --- planning ------------------------------------------------------------------------------------


def make(
    stack: str, desired: Mapping[str, Secret], present: Present, *, prune: bool, only: frozenset[str] | None = None
) -> EnvironmentPlan:
    """Return the plan for a stack. With `only`, other variables than these do not count."""
    considered = present if only is None else present.only(only)
    fields = differences(desired, considered.values, fixed=considered.fixed, prune=prune)
    return EnvironmentPlan(stack=stack, exact=prune and only is None, pages=present.pages, **fields)


def copied(source: str, present: Present, only: frozenset[str] | None, *, prune: bool) -> dict[str, Secret]:
    """Return the user's variables of the stack `source`.

    Raises ValueError if one of `only` is not among them, unless it may be deleted from the other stack.
    """
    found = {key: value for key, value in present.values.items() if value is not None and key not in present.fixed}
    if only is None:
        return found
    missing = [key for key in sorted(only) if key not in found and not (prune and key not in present.values)]
    if missing:
        what = f"is {present.fixed[missing[0]]}" if missing[0] in present.fixed else "has no value there"
        raise ValueError(f"cannot copy {missing[0]!r} from stack {source}: it {what}; leave it out of only=...")
    return {key: found[key] for key in found if key in only}


# --- carrying out --------------------------------------------------------------------------------


async def apply(
    variables: EnvironmentVariables, plan: EnvironmentPlan, apply_strategy: ApplyStrategy | None
) -> PlanResult:
    """Carry out a plan, with as few requests as the API allows."""
    progress = Progress(plan.stack, plan.affected)
    values = {**plan.added, **plan.changed}
    if plan.exact and len(plan.deleted) + bool(values) > plan.pages + 1:
        contents = await _replacement(variables, plan)
        if contents is not None and await _is_supported(
            progress,
            plan.affected,
            variables.replace_all(
                plan.stack, contents=contents, environments_format="json", apply_strategy=apply_strategy
            ),
        ):
            return progress.result()
    # Additions come first: a failure must not leave the stack without the old variables and without the new ones.
    if values and not await _is_supported(
        progress,
        values,
        variables.update_all(
            plan.stack, contents=_to_json(values), environments_format="json", apply_strategy=apply_strategy
        ),
    ):
        for key, value in values.items():
            change = variables.create if key in plan.added else variables.update
            await progress.make([key], change(plan.stack, key, value=value, apply_strategy=apply_strategy))
    for key in plan.deleted:
        await progress.make([key], _delete(variables, plan.stack, key))
    return progress.result()


async def _replacement(variables: EnvironmentVariables, plan: EnvironmentPlan) -> Secret | None:
    """Return the file with all desired variables, or None if the variables have changed since the plan was made.

    Replacing all variables would delete those that were created meanwhile.
    """
    desired = {**plan.added, **plan.changed, **plan.unchanged}
    present = await read(variables.list(plan.stack))
    if make(plan.stack, desired, present, prune=True) != plan:
        return None
    return _to_json({key: value for key, value in desired.items() if key not in present.fixed})


async def _is_supported(progress: Progress, keys: Iterable[str], change: Awaitable[Action]) -> bool:
    """Make a change in bulk. Return False if the API does not know the operation, which older versions may not."""
    try:
        await progress.make(keys, change)
    except APIError as error:
        if isinstance(error, NotFound | Unsupported) or error.status in (405, 501):
            return False
        raise
    return True


async def _delete(variables: EnvironmentVariables, stack: str, key: str) -> None:
    """Delete a variable, unless it was deleted meanwhile."""
    try:
        await variables.delete(stack, key)
    except NotFound:
        if key in (await read(variables.list(stack))).values:
            raise


def _to_json(values: Mapping[str, Secret]) -> Secret:
    return Secret(msgspec.json.encode({key: value.reveal() for key, value in values.items()}).decode())


# --- files ---------------------------------------------------------------------------------------


class SecretFile(Mapping[str, Secret]):
    """The contents of a file with variables, as part of the body of a request.

    It is sent as text. As a mapping, it has the secrets to mask if the server repeats them in an error: the text, and
    each value in it.
    """

    def __init__(self, contents: Secret, environments_format: EnvironmentsFormat) -> None:
        self._contents = contents
        self._secrets = dict(_parts(contents, environments_format))

    def reveal(self) -> str:
        """Return the text of the file."""
        return self._contents.reveal()

    def __getitem__(self, name: str) -> Secret:
        return self._secrets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __len__(self) -> int:
        return len(self._secrets)

    def __repr__(self) -> str:
        return f"<SecretFile with {len(self)} secrets>"


def _parts(contents: Secret, environments_format: EnvironmentsFormat) -> Iterator[tuple[str, Secret]]:
    """Yield the secrets in a file with names for them, also in the form that they have in JSON."""
    yield "", contents
    try:
        if environments_format == "dotenv":
            values = parse_dotenv(contents)
        else:
            found = msgspec.json.decode(contents.reveal(), type=dict[str, object])
            values = {key: Secret(value) for key, value in found.items() if isinstance(value, str)}
    except (ValueError, msgspec.DecodeError, ConfigError):
        return  # the API decides what it accepts
    for key, value in values.items():
        yield key, value
        yield f"{key}=", Secret(msgspec.json.encode(value.reveal())[1:-1].decode())
