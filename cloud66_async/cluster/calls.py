"""`each` and `rollout`: calls for many items, in the worker processes of an engine."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, overload

from .._core.arguments import check_iterable, check_limit, check_text
from ..bulk import Failed, Ok
from ..client import Cloud66
from ..errors import ConfigError
from ..operation import Operation
from ..resources._rollouts.checks import check_at_once, check_timeout
from ..resources._started import names as service_names
from ..resources.deployments import DeployStrategy, RolloutStrategy
from .claims import Claims
from .deployments import deployments
from .engine import Engine
from .rollouts import ClusterRollout
from .running import Progress, Running
from .work import to_work

__all__ = ["each", "rollout"]

K = TypeVar("K")
V = TypeVar("V")
Results = AbstractAsyncContextManager[AsyncIterator[Ok[K, V] | Failed[K]]]


@overload
def each(
    engine: Engine,
    function: Callable[[Cloud66, K], Awaitable[V]],
    items: Iterable[K] | AsyncIterable[K],
    *,
    batch: int = 25,
    writes: bool | None = None,
    claims: Claims | None = None,
    run: str | None = None,
    progress: Progress | None = None,
) -> Results[K, V]: ...
@overload
def each(
    engine: Engine,
    function: Operation[V],
    items: Iterable[K] | AsyncIterable[K],
    *,
    batch: int = 25,
    writes: bool | None = None,
    claims: Claims | None = None,
    run: str | None = None,
    progress: Progress | None = None,
) -> Results[K, V]: ...
@overload
def each(
    engine: Engine,
    function: str,
    items: Iterable[K] | AsyncIterable[K],
    *,
    batch: int = 25,
    writes: bool | None = None,
    claims: Claims | None = None,
    run: str | None = None,
    progress: Progress | None = None,
) -> Results[K, Any]: ...
def each(
    engine: Engine,
    function: Any,
    items: Iterable[Any] | AsyncIterable[Any],
    *,
    batch: int = 25,
    writes: bool | None = None,
    claims: Claims | None = None,
    run: str | None = None,
    progress: Progress | None = None,
) -> Results[Any, Any]:
    """Call `function` for every item in the engine's worker processes and yield results as they arrive.

    Use it as a context manager; it returns an async iterator with one `Ok` or `Failed` for each item. `items` may be
    any iterable or async iterable, even an infinite one: items are read as workers become free. If a worker dies, its
    unfinished items are done again by another one, and an item that the engine gives up is `Failed` with EngineError.

    For an operation or the name of a method, an item is the argument, or a mapping with all of them. A pair `(account,
    item)` is called with that account. A function receives the client and the item as it is.

    Writes need `claims`, with which each item is written once. If a worker dies while it writes, the result is `Failed`
    with a TransportError whose `sent` is True: the write may have been made.

    An exception of `function` or `items` that is not a Cloud66Error is raised unchanged at the next read, or at the end
    of the block. Leaving the block ends the remaining calls in all workers.

    Args:
        engine: Engine, such as `DaskEngine` or `LocalEngine`.
        function: Operation, name of a method such as `"stacks.get"`, or `async def f(c66, item)` of a module.
        items: Items. Equal items are different items.
        batch: Maximum number of items that are sent to a worker at a time.
        writes: Whether the function changes something. Known for operations and for methods that are one.
        claims: Store in which workers note what they write, such as `RedisClaims` or `SQLClaims`.
        run: Name of the run. With the same name and the same items, an interrupted run continues: what was written is
            not written again. The default is a new name, which is forgotten at the end.
        progress: Function that is called as results arrive, with the number of finished items, of failed ones among
            them, and of all items if that is known. See `progress_bar`.
    """
    check_limit("batch", batch)
    work = to_work(function, writes=writes)
    if not isinstance(items, AsyncIterable):
        check_iterable("items", items)
    _check_run(run)
    return Running(
        engine,
        work,
        items,
        size=batch,
        claims=_pickled_claims(claims) if work.writes else None,
        run=run,
        progress=progress,
    )


def _check_run(run: str | None) -> None:
    """Raise TypeError or ConfigError if this is not the name of a run."""
    if run is not None and check_text("run", run) and not (run.isprintable() and 0 < len(run) <= 200):
        raise ConfigError("invalid run: expected a name of 1 to 200 printable characters")


def _pickled_claims(claims: Claims | None) -> bytes:
    """Return the store in the form in which workers get it. Raises ConfigError if there is none."""
    if claims is None:
        raise ConfigError(
            "writes need a store of claims, because a worker may die after a write: pass claims=RedisClaims(url) "
            "or claims=SQLClaims(url)"
        )
    return pickle.dumps(claims)


def rollout(
    engine: Engine,
    stacks: Iterable[str | tuple[int, str]],
    *,
    claims: Claims,
    at_once: int | Sequence[int] = 10,
    stop_after: int | None = 1,
    timeout: float | None = None,
    run: str | None = None,
    progress: Progress | None = None,
    git_ref: str | None = None,
    services: Iterable[str] | None = None,
    deployment_profile: str | None = None,
    deploy_strategy: DeployStrategy | None = None,
    rollout_strategy: RolloutStrategy | None = None,
    canary_percentage: int | None = None,
) -> ClusterRollout:
    """Return a rollout that deploys many stacks, a few at a time in all workers. Nothing is sent before it is awaited.

    `at_once` and `stop_after` apply to all workers together: the calling process decides what is started, and a worker
    carries out one deployment and waits for its end. If the worker dies, another one looks for the deployment by its
    reference and continues; a stack is not deployed twice. A deployment occupies a slot of the engine until its end.

    The rollout itself raises Throttled, QuotaError, Unauthenticated or StoreError after which no request can succeed.

    Args:
        engine: Engine, such as `DaskEngine` or `LocalEngine`.
        stacks: uids of the stacks, in the order in which they are deployed, or pairs of an account and a uid.
        claims: Store in which workers note what they start, such as `RedisClaims` or `SQLClaims`.
        at_once: Number of deployments at a time, but no more than slots. A list has the sizes of waves, each of which
            ends before the next one starts; the last size is repeated.
        stop_after: Number of failures after which nothing more is started. None means never.
        timeout: Seconds for each deployment after it was accepted. The deployment is not cancelled.
        run: Name of the rollout. With the same name and the same stacks, an interrupted rollout continues. Do not use
            a name for another rollout. The default is a new one.
        progress: Function that is called as deployments end, with the number of those that have ended, of failed ones
            among them, and of all.
        git_ref: Branch, tag or commit to deploy; not for Docker stacks. The default is the latest code.
        services: Names of the services to deploy, each optionally followed by `:tag` to choose an image.
        deployment_profile: Name of a deployment profile.
        deploy_strategy: Order in which the servers of a stack are deployed.
        rollout_strategy: How the traffic of a stack moves to the new version.
        canary_percentage: Share of the traffic that a canary receives.
    """
    options = {
        "git_ref": git_ref,
        "services": None if services is None else list(service_names(services) or ()),
        "deployment_profile": deployment_profile,
        "deploy_strategy": deploy_strategy,
        "rollout_strategy": rollout_strategy,
        "canary_percentage": canary_percentage,
    }
    _check_run(run)
    if stop_after is not None:
        check_limit("stop_after", stop_after, maximum=None)
    sizes = check_at_once(at_once)
    given = {name: value for name, value in options.items() if value is not None}
    return ClusterRollout(
        engine,
        deployments(stacks, run=run, timeout=check_timeout(timeout), options=given),
        waves=None if isinstance(sizes, int) else sizes,
        window=sizes if isinstance(sizes, int) else max(sizes),
        stop_after=stop_after,
        claims=_pickled_claims(claims),
        run=run,
        progress=progress,
    )
