from __future__ import annotations

from cloud66_async import Cloud66, Unauthenticated


async def main(c66: Cloud66) -> None:
    """Find out whether the API is reachable, and whose token the client uses."""
    await c66.ping.check()
    try:
        identity = await c66.ping.check_token()
    except Unauthenticated:
        print("the token is not valid")
    else:
        print(identity.user_name, identity.account_name, identity.scope)
