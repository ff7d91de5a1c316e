"""The command `sandbox`."""

from __future__ import annotations

import time

from ..clock import SystemClock
from ..sandbox import FakeCloud66, SandboxServer
from .console import out

__all__ = ["serve"]

_ACTION_SECONDS = 15.0


def serve(*, port: int, stacks: int, redirect_urls: list[str]) -> None:
    """Serve a sandbox until ctrl-c, and say how to use it."""
    fake = FakeCloud66(clock=SystemClock(), action_seconds=_ACTION_SECONDS)
    with SandboxServer(fake, port=port) as server:
        fake.seed(stacks)
        application = fake.add_application(
            redirect_urls=("http://127.0.0.1/callback", "http://localhost:8000/callback", *redirect_urls)
        )
        token = fake.add_token()
        out.print(f"A Cloud 66 sandbox with {stacks} stacks, at [bold]{server.url}[/] until ctrl-c.")
        out.print("In another terminal:\n")
        # The token of a sandbox opens nothing but the sandbox.
        out.print(f"  export CLOUD66_URL={server.url} CLOUD66_ACCESS_TOKEN={token.reveal()}", soft_wrap=True)
        out.print("  cloud66-async stacks --environment production\n")
        out.print(f"OAuth application: client_id {application.client_id}, client_secret {application.client_secret}")
        while True:
            time.sleep(3600)
