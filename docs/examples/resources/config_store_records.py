from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Store a license key for a stack, and read it back."""
    namespace = (await c66.stacks.get(stack)).configstore_namespace or ""
    await c66.config_store_records.create(
        namespace, "license.mail", raw_value="K3Y-1", metadata={"owner": "ops"}
    )
    record = await c66.config_store_records.get(namespace, "license.mail")
    print(record.metadata, record.raw_value.reveal() if record.raw_value else None)


async def replace(c66: Cloud66, stack: str) -> None:
    """Change the value of one record of a stack, and delete the others."""
    namespace = (await c66.stacks.get(stack)).configstore_namespace or ""
    for record in await c66.config_store_records.list(namespace):
        if record.key == "license.key":
            await c66.config_store_records.update(namespace, record.key, raw_value="K3Y-2")
        else:
            await c66.config_store_records.delete(namespace, record.key)
