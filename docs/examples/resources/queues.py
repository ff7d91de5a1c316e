from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Take the tasks of all queues, and report that they are done."""
    await c66.queues.register_agent(host_name="agent-1")
    for queue in await c66.queues.list():
        while task := await c66.queues.pop(queue.name, host_name="agent-1"):
            await c66.queues.update(
                queue.name, task_uuid=task["task_uuid"], state="done", host_name="agent-1"
            )
