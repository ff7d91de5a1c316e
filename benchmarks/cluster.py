"""Stacks of many accounts over the workers of a Dask cluster, one of which is killed: `python -m benchmarks cluster`.

The rate of one process with `each` is measured first. The server is the sandbox, in a process of its own, and responds
after a latency, so that waiting dominates even if all processes share a few CPU cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from cloud66_async import Cloud66, Ok
from cloud66_async.clock import SystemClock
from cloud66_async.cluster import Engine, LocalEngine, each
from cloud66_async.sandbox import FakeCloud66, SandboxServer

Pair = tuple[int, str]


async def read_stack(c66: Cloud66, pair: Pair) -> str | None:
    """Return the name of a stack in its account."""
    account, uid = pair
    return (await c66.using(account=account).stacks.get(uid)).name


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cluster", description=__doc__)
    parser.add_argument("--stacks", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4, help="batches that a worker works on at a time")
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each response")
    parser.add_argument("--single", type=int, default=4_000, help="stacks to measure one process with")
    parser.add_argument("--engine", choices=["dask", "local"], default="dask")
    parser.add_argument("--quick", action="store_true", help="2,000 stacks of 20 accounts")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.quick:
        arguments.stacks, arguments.accounts, arguments.single = 2_000, 20, 1_000
    return arguments


# --- the server --------------------------------------------------------------------------------------


def serve(stacks: int, accounts: int, latency: float) -> None:
    """Serve the sandbox until the standard input is closed. Print its URL, a token, and the stacks."""
    fake = FakeCloud66(clock=SystemClock(), hourly_limit=10**9)
    fake.add_user(fake.user.email, accounts=range(1, accounts + 1))
    pairs = [(1 + number % accounts, number) for number in range(stacks)]
    found = [(account, fake.add_stack(f"stack-{number}", account=account, servers=1).uid) for account, number in pairs]
    with SandboxServer(fake, latency=latency) as server:
        print(json.dumps({"url": server.url, "token": fake.add_token().reveal(), "pairs": found}), flush=True)
        sys.stdin.read()


@contextmanager
def _server(arguments: argparse.Namespace) -> Generator[dict[str, Any]]:
    options = ["--stacks", str(arguments.stacks), "--accounts", str(arguments.accounts)]
    command = [sys.executable, "-m", "benchmarks.cluster", "--serve", *options, "--latency", str(arguments.latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


# --- what is measured --------------------------------------------------------------------------------


async def _single(connect: Any, pairs: Sequence[Pair]) -> float:
    """Return the stacks per second of one process."""
    async with connect() as c66:
        await c66.collect(partial(read_stack, c66), pairs[:100])  # opens the connections
        start = time.perf_counter()
        async with c66.each(partial(read_stack, c66), pairs) as results:
            count = sum([isinstance(result, Ok) async for result in results])
        assert count == len(pairs)
        return count / (time.perf_counter() - start)


async def _clustered(engine: Engine, pairs: Sequence[Pair], batch: int, kill: Any) -> dict[str, float]:
    """Return the stacks per second of a cluster, and how many results are missing or doubled.

    `kill` is called when half of them are there.
    """
    async with each(engine, read_stack, pairs[:1000]) as warm_up:
        assert all([isinstance(result, Ok) async for result in warm_up])
    found: Counter[Pair] = Counter()
    first = 0.0
    start = time.perf_counter()
    async with each(engine, read_stack, pairs, batch=batch) as results:
        async for result in results:
            assert isinstance(result, Ok), result
            first = first or time.perf_counter() - start
            found[result.item] += 1
            if kill is not None and found.total() == len(pairs) // 2:
                await kill()
    seconds = time.perf_counter() - start
    wanted = Counter(pairs)
    return {
        "rate": len(pairs) / seconds,
        "seconds": seconds,
        "first": first,
        "missing": (wanted - found).total(),
        "doubled": (found - wanted).total(),
    }


async def _dask(
    arguments: argparse.Namespace, connect: Any, pairs: Sequence[Pair], *, killing: bool
) -> dict[str, float]:
    from cloud66_async.integrations.dask import DaskEngine

    distributed: Any = import_module("distributed")  # partly untyped
    options = {"processes": True, "dashboard_address": ":0", "asynchronous": True, "silence_logs": logging.CRITICAL}
    async with (
        distributed.LocalCluster(
            n_workers=arguments.workers, threads_per_worker=arguments.threads, **options
        ) as cluster,
        distributed.Client(cluster, asynchronous=True) as client,
    ):

        async def kill() -> None:
            pids: dict[str, int] = await client.run(os.getpid)
            os.kill(next(iter(pids.values())), signal.SIGKILL)

        return await _clustered(DaskEngine(client, connect), pairs, arguments.batch, kill if killing else None)


async def _local(
    arguments: argparse.Namespace, connect: Any, pairs: Sequence[Pair], *, killing: bool
) -> dict[str, float]:
    options = {"processes": arguments.workers, "slots_per_process": arguments.threads}
    async with LocalEngine(connect, **options) as engine:

        async def kill() -> None:
            os.kill(engine.pids[0], signal.SIGKILL)

        return await _clustered(engine, pairs, arguments.batch, kill if killing else None)


async def measure(arguments: argparse.Namespace) -> None:
    """Measure one process, the cluster, and the cluster with a worker that is killed."""
    run = _dask if arguments.engine == "dask" else _local
    with _server(arguments) as server:
        connect = partial(Cloud66, server["token"], url=server["url"])
        pairs = [(account, uid) for account, uid in server["pairs"]]
        single = await _single(connect, pairs[: arguments.single])
        print(f"one process with each(): {single:.0f} stacks/s")
        for killing in (False, True):
            found = await run(arguments, connect, pairs, killing=killing)
            ratio = found["rate"] / (single * arguments.workers)
            what = f"{arguments.workers} workers" + (", one killed" if killing else "")
            print(
                f"{what}: {len(pairs):,} stacks of {arguments.accounts} accounts in {found['seconds']:.1f} s, "
                f"{found['rate']:.0f} stacks/s, {ratio:.2f} of {arguments.workers} times one process; "
                f"first after {found['first']:.2f} s; {found['missing']} missing, {found['doubled']} doubled"
            )


def main(given: Sequence[str] | None = None) -> int:
    """Run the benchmark. Return the exit code."""
    arguments = _arguments(given)
    if arguments.serve:
        serve(arguments.stacks, arguments.accounts, arguments.latency)
    else:
        asyncio.run(measure(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
