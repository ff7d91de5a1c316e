import asyncio
from collections import Counter

from cloud66_async import Cloud66, Failed, Ok
from cloud66_async.sandbox import FakeCloud66


async def count(c66: Cloud66) -> None:
    uids = [stack.uid async for stack in c66.stacks.list()]
    healths: Counter[str] = Counter()
    async with c66.each(c66.stacks.get, uids) as results:
        async for result in results:
            match result:
                case Ok(_, stack):
                    healths[str(stack.health)] += 1
                case Failed(uid, error):
                    print(uid, "failed:", error)
    print(len(uids), "stacks")
    for health, number in healths.most_common():
        print(f"{number:5} {health}")
    print(c66.quota.remaining, "requests left this hour")


async def main() -> None:
    sandbox = FakeCloud66()
    sandbox.seed(600)
    async with sandbox.client() as c66:
        await count(c66)


asyncio.run(main())
