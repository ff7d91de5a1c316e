"""Every public coroutine, ended at each of its suspensions: nothing is left behind, and the same client works."""

from __future__ import annotations

import gc
import importlib
import inspect
import pkgutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import cloud66_async

from ..conftest import PoolName
from ..pool.servers import open_sockets
from .login_uses import LOGINS
from .served import Served, serve
from .steps import WAYS
from .uses import CALLS, Use

USES = {**CALLS, **LOGINS}
MOST = 3000
"""More suspensions than any use has."""

# Packages whose coroutines are no part of a client: programs, tools for tests, the pool, and what needs other servers,
# with tests of their own.
ELSEWHERE = ("cli", "cluster", "sandbox", "testing", "pool", "clock", "transport")
SERVED = ("dask", "redis", "sql", "per_loop", "sealed_claims", "sealed_logins", "sealed_sessions")


@pytest.fixture(autouse=True)
def no_sockets_left() -> Iterator[None]:
    gc.collect()
    before = open_sockets()
    yield
    gc.collect()
    assert open_sockets() <= before


async def end_everywhere(served: Served, use: Use, way: str) -> None:
    """End the use at its first suspension, its second, and so on until it finishes."""
    for at in range(1, MOST):
        prepared = None if use.prepare is None else await use.prepare(served)
        ended = await WAYS[way](use.run(served, prepared), at)
        if ended.error is not None:
            raise ended.error
        await served.check(f"{way} at suspension {at}")
        if not ended.acted:
            return
    pytest.fail(f"still running after {MOST} suspensions")


def first_way(name: str, transport: PoolName) -> str:
    """Return a way for each use, in turn, and another one with the other transport."""
    return [*WAYS][([*USES].index(name) + 2 * (transport == "httpx")) % len(WAYS)]


@pytest.mark.parametrize("name", USES)
async def test_every_suspension(name: str, transport: PoolName, tmp_path: Path) -> None:
    async with serve(transport, tmp_path) as served:
        way = first_way(name, transport)
        await end_everywhere(served, USES[name], way)


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
async def test_every_suspension_in_every_other_way(name: str, transport: PoolName, tmp_path: Path) -> None:
    for way in sorted(WAYS.keys() - {first_way(name, transport)}):
        async with serve(transport, tmp_path) as served:
            await end_everywhere(served, USES[name], way)


ITERATORS: dict[str, Callable[[Served], AsyncIterator[Any]]] = {
    "list": lambda served: aiter(served.c66.stacks.list()),
    "pages": lambda served: served.c66.stacks.list().pages(),
    "each_account": lambda served: served.c66.accounts.each_account(),
}


@pytest.mark.parametrize("name", ITERATORS)
async def test_break_after_any_number_of_items(name: str, transport: PoolName, tmp_path: Path) -> None:
    async with serve(transport, tmp_path) as served:
        for most in range(80):
            count = 0
            async for _ in ITERATORS[name](served):
                if count == most:
                    break
                count += 1
            await served.check(f"break after {count}")
            if count < most:
                return
    pytest.fail("more items than there are")


# --- no public coroutine is missing --------------------------------------------------------------


def public_coroutines() -> dict[CodeType, str]:
    """Return the code and the name of every public coroutine function outside the resources' simple methods."""
    found: dict[CodeType, str] = {}
    for module in pkgutil.walk_packages(cloud66_async.__path__, "cloud66_async."):
        parts = module.name.split(".")[1:]
        if parts[0] in ELSEWHERE or any(part.startswith("_") or part in SERVED for part in parts):
            continue
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            members = {name: value} if inspect.isfunction(value) else _methods(value, module.name, loaded)
            for member, function in members.items():
                code: CodeType = inspect.unwrap(function).__code__
                is_own = code.co_filename == loaded.__file__ and not name.startswith("_")
                is_simple = parts[0] == "resources" and _is_one_call(code)
                if is_own and not member.rpartition(".")[2].startswith("_") and _is_coroutine(code) and not is_simple:
                    found[code] = member
    return found


def _methods(value: object, module: str, loaded: object) -> dict[str, Any]:
    if not inspect.isclass(value) or getattr(value, "_is_protocol", False):
        return {}
    return {f"{value.__name__}.{name}": each for name, each in vars(value).items() if inspect.isfunction(each)}


def _is_coroutine(code: CodeType) -> bool:
    return bool(code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))


def _is_one_call(code: CodeType) -> bool:
    """Return whether a method of a resource sends one request, as `get`, `create` and `restart` do."""
    return bool({"_call", "_start"} & set(code.co_names)) and not code.co_cellvars


async def test_every_public_coroutine_is_used(tmp_path: Path) -> None:
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    async with serve("own", tmp_path) as served:
        for use in USES.values():
            prepared = None if use.prepare is None else await use.prepare(served)
            sys.setprofile(note)
            try:
                await use.run(served, prepared)
            finally:
                sys.setprofile(None)
    expected = public_coroutines()
    assert len(expected) > 40
    assert sorted(name for code, name in expected.items() if code not in seen) == []
