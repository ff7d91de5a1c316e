"""Drift between the sandbox and the models: every operation that reads is called once."""

from __future__ import annotations

from typing import Any

import attrs

from cloud66_async import Cloud66, Cloud66Error, Retry
from cloud66_async.drift import Drift
from cloud66_async.operation import Many, Operation
from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, FakeStack

# What the sandbox sends otherwise than the models have it. Fields that it leaves out are not listed here.
DIFFERENT: dict[str, list[str]] = {}

# Reads that need more than a stack, an account, and identifiers from lists.
NOT_READ = {
    "config_store_records.get": "the namespace is that of a stack, but the path does not name the stack",
    "config_store_records.list": "as above",
    "operation_logs.list": "the operation is a random ID",
    "queues.pop": "it changes the queue, and returns JSON without a structure",
    "sessions.fetch": "the stack has no session at first",
    "ssh_keys.get_access_key": "the user has no key at first",
    "tags.list": "the entity may be of several types",
}

# Required parameters in the query.
QUERIES: dict[str, dict[str, Any]] = {
    "environment_variables.download": {"environments_format": "json"},
}


def lists() -> dict[str, Operation[Any]]:
    """Return every operation that lists something, by its path without the suffix."""
    return {
        operation.path.removesuffix(".json"): operation
        for _, operation in operations()
        if operation.method == "GET" and isinstance(operation.returns, Many)
    }


class Reader:
    """Reads a sandbox with a client: the parameters of a path are identifiers from lists."""

    def __init__(self, c66: Cloud66, stack: FakeStack) -> None:
        self.c66 = c66
        self.found: dict[str, object] = {"/stacks": stack.uid, "/accounts": 1}

    async def read(self, name: str, operation: Operation[Any]) -> None:
        """Send the operation. Raises LookupError if an identifier is not known."""
        values = await self.values(operation)
        if "snapshot_uid" in operation.query:
            values["snapshot_uid"] = await self.identifier("/stacks/{stack}/snapshots", "snapshot")
        await self.c66.send(operation.bind(**values, **QUERIES.get(name, {})))

    async def values(self, operation: Operation[Any]) -> dict[str, Any]:
        parts = operation.path.removesuffix(".json").split("/")
        return {
            part[1:-1]: await self.identifier("/".join(parts[:index]), part[1:-1])
            for index, part in enumerate(parts)
            if part.startswith("{")
        }

    async def identifier(self, path: str, name: str) -> object:
        """Return the identifier of the first item of the list at this path, or else of the list with this name."""
        if path not in self.found:
            known = lists()
            listed = known.get(path) or known[f"/stacks/{{stack}}/{name}s"]
            items = (await self.c66.send(listed.bind(**await self.values(listed)))).data.items
            self.found[path] = identifier(items[0], name)
        return self.found[path]


def identifier(item: Any, name: str) -> object:
    """Return what identifies an item in a path: its uid, its ID, its required field, or the one with this name."""
    kind: Any = item.__class__
    required = [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]
    (found, *_) = filter(None, (getattr(item, each, None) for each in ("uid", "id", *required, name)))
    return found.replace(".", "-") if name == "setting" else found


async def test_sandbox_sends_what_the_models_have() -> None:
    fake = FakeCloud66()
    drift = Drift()
    unread = {name: operation for name, operation in operations(variants=True) if operation.method == "GET"}
    reasons: dict[str, str] = {}
    options: Any = {"transport": fake.transport(), "clock": fake.clock, "retry": Retry(attempts=1), "drift": drift}
    async with Cloud66(fake.add_token(), **options) as c66, fake.clock.running():
        for framework in ("rails", "docker"):
            stack = fake.add_stack(framework, fields={"framework": framework})
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
            reader = Reader(c66, stack)
            for name, operation in list(unread.items()):
                try:
                    await reader.read(name, operation)
                    del unread[name]
                except (LookupError, Cloud66Error, TypeError) as error:
                    reasons[name] = repr(error)
    assert unread.keys() == NOT_READ.keys(), {name: reasons[name] for name in unread}
    found = {
        each.operation: differing
        for each in drift.report()
        if (differing := [line for line in str(each).split("\n  ")[1:] if not line.startswith(("never", "sometimes"))])
    }
    assert found == DIFFERENT
    assert len(drift.report()) > 20
