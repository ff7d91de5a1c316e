from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Find servers that Cloud 66 does not manage."""
    for listed in await c66.accounts.list():
        if listed.current_account:
            account = await c66.accounts.get(listed.id, include_servers=True)
            for server in account.unmanaged_servers or ():
                print(account.friendly_name, server.vendor, server.name, server.ip)


async def each_account(c66: Cloud66) -> None:
    """Count the stacks of each account."""
    async for account, view in c66.accounts.each_account():
        print(account.friendly_name, len(await view.stacks.list()))


async def one_time_password(c66: Cloud66) -> None:
    """Show a one-time password."""
    password = await c66.accounts.get_otp()
    print(password.otp.reveal())
