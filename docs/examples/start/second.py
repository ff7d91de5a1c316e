import asyncio

from cloud66_async import Action, ActionFailed, Cloud66
from cloud66_async.sandbox import FakeCloud66


def show(action: Action) -> None:
    print("action", action.id, "finished" if action.finished else "running")


async def redeploy(c66: Cloud66) -> None:
    web = await c66.stacks.find("web", environment="production")
    started = await c66.stacks.redeploy(web.uid)
    try:
        done = await c66.actions.wait(started, timeout=900, progress=show)
    except ActionFailed as error:
        print("failed:", error)
    else:
        print(done.finished_message)


async def main() -> None:
    sandbox = FakeCloud66()
    sandbox.add_stack("web", environment="production")
    async with sandbox.client() as c66:
        await redeploy(c66)


asyncio.run(main())
