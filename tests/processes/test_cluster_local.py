"""`LocalEngine`: worker processes of its own that are killed, fail to start, and end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, Failed, MissingToken, Ok, TransportError
from cloud66_async.cluster import EngineError, LocalEngine, StoredLogin, each
from cloud66_async.integrations.sql.claims import SQLClaims
from cloud66_async.oauth import FileStore, MemoryStore
from cloud66_async.sandbox import SandboxServer

from .cluster_parts import (
    Result,
    client_id,
    collect,
    die,
    double,
    endless,
    numbers,
    own_error,
    restart,
    served,
    stack_name,
    unpicklable_error,
    unsendable,
)
from .servers import require_package, wait_for

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[SandboxServer, list[str]]]:
    with served(300, latency=0.01) as found:
        yield found


def connect(server: SandboxServer) -> Any:
    """Return what creates a client in a worker. Only a test may send a token to it."""
    return partial(Cloud66, server.fake.add_token().reveal(), url=server.url)


async def test_items_are_shared_by_all_processes(server: tuple[SandboxServer, list[str]]) -> None:
    async with LocalEngine(connect(server[0]), processes=2) as engine:
        results = await collect(each(engine, client_id, range(200), batch=5))
        found = {result.value for result in results if isinstance(result, Ok)}
        assert {pid for pid, _ in found} == set(engine.pids)
        assert len(found) == 2  # one client in each process
        pids = engine.pids
        names = await collect(each(engine, "stacks.get", server[1]))
        assert Counter(result.item for result in names) == Counter(server[1])
        assert engine.pids == pids
    assert engine.pids == ()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_killed_processes_lose_nothing(server: tuple[SandboxServer, list[str]]) -> None:
    _, uids = server
    found: Counter[str] = Counter()
    async with (
        LocalEngine(connect(server[0]), processes=2) as engine,
        each(engine, stack_name, uids, batch=5) as results,
    ):
        async for result in results:
            assert isinstance(result, Ok), result
            found[result.item] += 1
            if found.total() in (60, 150):
                os.kill(engine.pids[0], signal.SIGKILL)
    assert found == Counter(uids)


async def test_writes_are_not_doubled_by_a_killed_process(tmp_path: Path) -> None:
    require_package("sqlalchemy", "sql")
    claims = SQLClaims(f"sqlite:///{tmp_path / 'claims.db'}")
    with served(120, latency=0.01) as (server, uids):
        found: list[Result] = []
        async with (
            LocalEngine(connect(server), processes=2) as engine,
            each(engine, restart, uids, writes=True, batch=5, claims=claims) as results,
        ):
            async for result in results:
                found.append(result)
                if len(found) in (30, 60):
                    os.kill(engine.pids[0], signal.SIGKILL)
        made = Counter(request.parameters["stack"] for request in server.fake.requests)
    assert Counter(result.item for result in found) == Counter(uids)
    unknown = [result for result in found if isinstance(result, Failed)]
    assert all(isinstance(result.error, TransportError) and result.error.sent for result in unknown)
    assert max(made.values()) == 1
    assert {result.item for result in found if isinstance(result, Ok)} <= made.keys()
    assert len(unknown) <= 2 * 32


async def test_item_whose_processes_all_die_is_given_up(server: tuple[SandboxServer, list[str]]) -> None:
    async with LocalEngine(connect(server[0]), processes=1, slots_per_process=1) as engine:
        (result,) = await collect(each(engine, die, [1]))
        assert isinstance(result, Failed)
        assert isinstance(result.error, EngineError)
        assert "3 worker processes died" in str(result.error)
        assert [ok.value for ok in await collect(each(engine, double, [2])) if isinstance(ok, Ok)] == [4]


async def test_leaving_early_ends_the_calls(server: tuple[SandboxServer, list[str]]) -> None:
    async with LocalEngine(connect(server[0]), processes=1) as engine:
        async with each(engine, endless, numbers(10**9, []), batch=2):
            await asyncio.sleep(0.05)
        # The slots are free again.
        assert len(await collect(each(engine, double, range(100), batch=1))) == 100


async def test_exceptions_reach_the_caller(server: tuple[SandboxServer, list[str]]) -> None:
    async with LocalEngine(connect(server[0]), processes=1) as engine:
        with pytest.raises(LookupError, match="no a"):
            await collect(each(engine, own_error, ["a"]))
        with pytest.raises(EngineError, match="Unpicklable, which cannot be sent"):
            await collect(each(engine, unpicklable_error, [1]))
        with pytest.raises(Exception, match="lambda"):
            await collect(each(engine, unsendable, [1]))


async def test_client_that_cannot_be_created_is_told() -> None:
    engine = LocalEngine(partial(Cloud66, url="ftp://example.com"), processes=1)
    with pytest.raises(ConfigError, match="invalid URL"):
        await engine.open()
    await engine.aclose()
    engine = LocalEngine(dict, processes=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="returned dict instead of a Cloud66"):
        await engine.open()
    await engine.aclose()


async def test_workers_load_a_stored_login(server: tuple[SandboxServer, list[str]], tmp_path: Path) -> None:
    sandbox, uids = server
    store = FileStore(tmp_path / "logins.json", site=sandbox.url)
    login = StoredLogin(store, "nightly", options={"url": sandbox.url, "limit": 4})
    engine = LocalEngine(login, processes=1)
    with pytest.raises(MissingToken, match="no login is stored for the profile 'nightly'"):
        await engine.open()
    await engine.aclose()
    await store.save(sandbox.fake.add_token(), "nightly")
    async with LocalEngine(login, processes=1) as engine:
        assert len(await collect(each(engine, stack_name, uids[:3]))) == 3


def test_a_token_is_not_sent_to_workers() -> None:
    with pytest.raises(ConfigError, match="put the login into a store"):
        StoredLogin(FileStore(), options={"token": "x"})
    with pytest.raises(ConfigError, match="keeps logins in this process only"):
        StoredLogin(MemoryStore())
    assert "limit" not in repr(StoredLogin(FileStore(), options={"limit": 1}))


SCRIPT = """
import asyncio, os, sys
from cloud66_async import Cloud66
from cloud66_async.cluster import LocalEngine, each

async def wait(c66, item):
    await asyncio.sleep(3600)

def connect():
    return Cloud66("a-token")

async def main():
    async with LocalEngine(connect, processes=2) as engine:
        async with each(engine, wait, range(10)) as results:
            print(*engine.pids, flush=True)
            async for _ in results:
                pass

if __name__ == "__main__":
    asyncio.run(main())
"""


def start_script(tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start the script in a process group of its own. Return it and the IDs of its workers."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    return process, pids


def wait_for_end(pids: list[int]) -> None:
    wait_for(lambda: not any(is_running(pid) for pid in pids), "a worker is left")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_interrupt_ends_all_processes(tmp_path: Path) -> None:
    process, pids = start_script(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl+C in a terminal does
    _, shown = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert shown.count("Traceback") <= 2  # of the script, none of the workers
    assert "KeyboardInterrupt" in shown
    wait_for_end(pids)


def test_killed_caller_leaves_no_processes(tmp_path: Path) -> None:
    process, pids = start_script(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    wait_for_end(pids)
