"""Shared stores of logins that several processes use at the same time, are killed with, and inherit."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from cloud66_async import Token
from cloud66_async.integrations.redis.store import RedisStore
from cloud66_async.integrations.sql.store import SQLStore

from .logins import TOKEN, MakeStore, closing, factory, finish, release, start
from .servers import require_package


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def make(request: pytest.FixtureRequest) -> MakeStore:
    return factory(request.param, request)


CREATE = """
import sqlalchemy, sqlalchemy.ext.asyncio

async def main(store, number):
    print("ready", flush=True)
    input()
    if int(number) % 2:
        await store.create()
    await store.save(Token("T" * 9 + number), number)
    await store.aclose()
"""


@pytest.mark.slow
def test_processes_that_create_the_table_at_the_same_time(database_url: str) -> None:
    require_package("sqlalchemy", "sql")
    for package in ("sqlalchemy", "aiosqlite"):
        require_package(package, "sql")
    store = SQLStore(database_url)
    processes = [start(store, CREATE, number) for number in range(8)]
    release(processes)
    finish(processes)

    async def check() -> None:
        async with closing(store):
            for number in range(8):
                assert await store.load(str(number)) == Token("T" * 9 + str(number))

    asyncio.run(check())


SAVE = """
async def main(store, number):
    scopes = tuple(number * 40 for _ in range(20))
    for _ in range(100):
        await store.save(Token(f"{number}" * 400, scopes=scopes))
        found = await store.load()
        text = found.reveal()
        assert len(text) == 400 and len(set(text)) == 1 and set("".join(found.scopes)) == set(text)
    await store.aclose()
"""


@pytest.mark.slow
async def test_processes_that_save_one_login(make: MakeStore) -> None:
    """Each finds a login that one of them has saved as a whole: the token and the scopes are those of one process."""
    store = make()
    async with closing(store):
        await store.save(Token("9" * 400, scopes=("9",)))
        finish([start(store, SAVE, number) for number in range(8)])
        found = await store.load()
        assert found is not None
        assert len(found.reveal()) == 400


KILLED = """
async def main(store):
    number = 0
    while True:
        number += 1
        await store.save(Token(f"{number % 10}" * 5000))
        print(number, flush=True)
"""


@pytest.mark.parametrize("saved", [1, 7])
async def test_killed_process_leaves_a_whole_login(make: MakeStore, saved: int) -> None:
    store = make()
    async with closing(store):
        process = start(store, KILLED)
        assert process.stdout is not None
        for _ in range(saved):
            assert process.stdout.readline().strip()
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        found = await store.load()
        assert found is not None
        assert len(found.reveal()) == 5000
        assert len(set(found.reveal())) == 1
        await store.save(TOKEN)  # it left no lock
        assert await store.load() == TOKEN


FORKED = """
import os, gc

async def child(store):
    await store.save(Token("CHILD-TOKEN"), "child")
    found = await store.load()
    assert found.reveal() == "PARENT-TOKEN", found
    await store.aclose()

async def main(store):
    await store.save(Token("PARENT-TOKEN"))
    process = os.fork()
    if process == 0:
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(None)
        code = 1
        try:
            asyncio.run(child(store))
            gc.collect()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0
    # The connection that was open before the fork still works.
    for _ in range(3):
        assert (await store.load()).reveal() == "PARENT-TOKEN"
    assert (await store.load("child")).reveal() == "CHILD-TOKEN"
    await store.aclose()
"""


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info >= (3, 12), reason="forks while threads run")
def test_forked_process_opens_its_own_connections(make: MakeStore) -> None:
    finish([start(make(), FORKED)])


FORKED_LATER = """
import gc, os, warnings

async def use(store):
    await store.save(Token("PARENT-TOKEN"))

async def child(store):
    assert (await store.load()).reveal() == "PARENT-TOKEN"
    await store.aclose()

async def main(store):
    def run():
        asyncio.run(use(store))  # without aclose
        process = os.fork()
        if process == 0:
            code = 1
            try:
                asyncio.run(child(store))
                gc.collect()
                code = 0
            finally:
                os._exit(code)
        os._exit(os.waitpid(process, 0)[1])

    await asyncio.to_thread(run)
"""


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info >= (3, 12), reason="forks while threads run")
def test_forked_process_leaves_the_connections_of_its_parent_alone(make: MakeStore) -> None:
    """If it deleted them, their finalizers would run, and warn."""
    finish([start(make(), FORKED_LATER)])


LOOPS = """
import gc, os, threading, warnings

async def main(store):
    def run():
        async def use():
            await store.save(Token("TOKEN-1"))
            assert (await store.load()).reveal() == "TOKEN-1"

        asyncio.run(use())  # without aclose

    def use():
        for _ in range(30):
            run()
        gc.collect()

    warnings.simplefilter("ignore", ResourceWarning)  # that connections were not closed
    await asyncio.to_thread(use)
    # Threads of the drivers end later, as fast as the machine lets them.
    async with asyncio.timeout(90):
        while len(os.listdir("/proc/self/fd")) >= 25 or threading.active_count() >= 6:
            await asyncio.sleep(0.05)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_loops_that_ended_without_closing_the_store(make: MakeStore) -> None:
    """Their connections and threads do not accumulate."""
    finish([start(make(), LOOPS)])


UNCLOSED = """
async def main(store):
    await store.save(Token("TOKEN-1"))
    print("saved")
"""


def test_program_that_does_not_close_the_store_ends(make: MakeStore) -> None:
    process = start(make(), UNCLOSED)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "saved\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/locks")
async def test_second_store_does_not_end_the_locks_of_the_first(tmp_path: Path) -> None:
    """To close any descriptor of a file ends all locks of the process, also those of other connections to it."""
    for package in ("sqlalchemy", "aiosqlite"):
        require_package(package, "sql")
    path = tmp_path / "cloud66.db"
    first, second = SQLStore(f"sqlite:///{path}"), SQLStore(f"sqlite:///{path}")
    async with closing(first, second):
        await first.save(TOKEN)
        inode = f":{path.stat().st_ino} "

        def locks() -> list[str]:
            return [line for line in Path("/proc/locks").read_text().splitlines() if inode in line]

        assert len(locks()) == 1
        await second.save(TOKEN)
        await second.aclose()
        assert len(locks()) == 1


def test_redis_needs_no_table() -> None:
    assert not hasattr(RedisStore, "create")
