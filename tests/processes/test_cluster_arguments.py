"""The public names of `cluster` with hostile arguments, as in `tests/unit/test_hostile_arguments.py`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import cluster
from cloud66_async.integrations.redis.claims import RedisClaims
from cloud66_async.integrations.sql.claims import SQLClaims
from cloud66_async.oauth import FileStore
from cloud66_async.resources import stacks
from cloud66_async.sandbox import FakeCloud66

from ..unit.test_hostile_arguments import VALUES, Row, judge
from .cluster_parts import InProcess, MemoryClaims
from .servers import require_package


async def use(block: Any) -> None:
    async with block as results:
        async for _ in results:
            pass


async def begin(claims: Any) -> None:
    repr(claims)
    try:
        await claims.begin("run", 1, "mark")
    finally:
        await claims.aclose()


ROWS = {
    "each": Row(cluster.each, {"function": stacks.GET, "items": ["a"]}, use, unchecked=("engine", "progress", "items")),
    "rollout": Row(cluster.rollout, {"stacks": ["a"]}, use, unchecked=("engine", "progress", "claims")),
    "LocalEngine": Row(cluster.LocalEngine, {}, repr, unchecked=("connect",)),
    "StoredLogin": Row(cluster.StoredLogin, {"store": FileStore()}, repr, unchecked=("store",)),
    "RedisClaims": Row(RedisClaims, {"url": "redis://127.0.0.1:9/0"}, begin),
    "SQLClaims": Row(SQLClaims, {}, begin),
}
PARAMETERS = [
    (name, parameter)
    for name, row in ROWS.items()
    for parameter in inspect.signature(row.call).parameters
    if parameter not in row.unchecked
]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
async def test_hostile_argument(
    name: str, parameter: str, cloud66: FakeCloud66, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if name.endswith("Claims"):
        require_package("redis", "redis")
        require_package("sqlalchemy", "sql")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    engine = InProcess(cloud66.client)
    needed = {
        "each": {"engine": engine, "claims": MemoryClaims()},
        "rollout": {"engine": engine, "claims": MemoryClaims()},
    }
    row = ROWS[name]
    wrong: dict[str, str] = {}
    for kind, value in VALUES.items():

        def call(value: Any = value) -> Any:
            found = row.call(**{**row.arguments, **needed.get(name, {}), parameter: value})
            return found if row.use is None else row.use(found)

        problem = await judge(call)
        if problem is not None:
            wrong[kind] = problem
    await engine.aclose()
    assert wrong == {}
