"""Count the stacks of all accounts by health, on a Dask cluster.

Run `python docs/examples/cluster/health.py ADDRESS` with the address of a
scheduler, for example tcp://10.0.0.5:8786. Without one, two worker processes
are started on this machine. Every worker needs CLOUD66_ACCESS_TOKEN or a stored
login, and, to share the quota, REDIS_URL. Without a token, all of them use a
sandbox. Requires the extras `dask`, `redis`, `sandbox` and the package `rich`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack

from distributed import Client, LocalCluster

from cloud66_async import Cloud66, Failed, Ok
from cloud66_async.cluster import each, progress_bar
from cloud66_async.integrations.dask import DaskEngine
from cloud66_async.sandbox import SandboxServer


def connect() -> Cloud66:
    """Create the client of one worker process."""
    url = os.environ.get("REDIS_URL")
    if url is None:
        return Cloud66()
    from cloud66_async.integrations.redis import RedisQuota

    return Cloud66(shared_quota=RedisQuota(url))


async def count(c66: Cloud66, account: int) -> Counter[str]:
    """Return how many stacks of an account have each health."""
    stacks = c66.using(account=account).stacks.list()
    return Counter([str(stack.health) async for stack in stacks])


async def main(address: str | None = None) -> int:
    async with AsyncExitStack() as running:
        if address is None:
            if "CLOUD66_ACCESS_TOKEN" not in os.environ:
                start_sandbox(running)
            local = LocalCluster(
                n_workers=2,
                threads_per_worker=4,
                asynchronous=True,
                dashboard_address=None,
            )
            cluster = await running.enter_async_context(local)
            address = cluster.scheduler_address
        client = await running.enter_async_context(
            Client(address, asynchronous=True)
        )
        engine = DaskEngine(client, connect)
        async with connect() as c66:
            accounts = [account.id for account in await c66.accounts.list()]
        return await report(engine, accounts)


async def report(engine: DaskEngine, accounts: list[int]) -> int:
    """Print the sum of all accounts. Return 1 if some could not be read."""
    total: Counter[str] = Counter()
    failed = 0
    with progress_bar("accounts") as progress:
        async with each(
            engine, count, accounts, batch=5, progress=progress
        ) as results:
            async for result in results:
                match result:
                    case Ok(_, found):
                        total += found
                    case Failed(account, error):
                        failed += 1
                        print(f"account {account}: {error}", file=sys.stderr)
    for health, number in total.most_common():
        print(f"{health:10} {number:6}")
    return 1 if failed else 0


def start_sandbox(running: AsyncExitStack) -> None:
    """Start a sandbox with 20 accounts, and give the workers access."""
    sandbox = running.enter_context(SandboxServer())
    for number in range(20):
        account = sandbox.fake.add_account(f"agency-{number}")
        for stack in range(10):
            health = "impaired" if stack == number else "healthy"
            sandbox.fake.add_stack(
                f"app-{stack}", account=account, health=health
            )
    os.environ["CLOUD66_URL"] = sandbox.url
    os.environ["CLOUD66_ACCESS_TOKEN"] = sandbox.fake.add_token().reveal()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:2])))
