from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Open SSH for the address that the request comes from, for 30 minutes."""
    opening = await c66.firewall_rules.lease(stack, port=22, ttl=30)
    await c66.actions.wait(opening)


async def create(c66: Cloud66, stack: str) -> None:
    """Let a network use PostgreSQL, unless a rule allows it already."""
    rules = await c66.firewall_rules.list(stack)
    if all(rule.port != 5432 for rule in rules):
        creating = await c66.firewall_rules.create(
            stack, protocol="tcp", port=5432, from_ip="192.0.2.0/24"
        )
        await c66.actions.wait(creating)


async def read(c66: Cloud66, stack: str) -> None:
    """Read the first rule again."""
    first = await c66.firewall_rules.list(stack).first()
    if first is not None:
        rule = await c66.firewall_rules.get(stack, first.id)
        print(rule.from_ip, rule.protocol, rule.port, rule.comments)
