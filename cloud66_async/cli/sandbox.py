"""The command `sandbox`."""

from __future__ import annotations

import time

from ..clock import SystemClock
from ..sandbox import FakeCloud66, SandboxServer
from .console import print_line

__all__ = ["serve"]

_ACTION_SECONDS = 15.0
_REDIRECT_URLS = ("http://127.0.0.1/callback", "http://localhost:8000/callback")


def serve(*, port: int, stacks: int, redirect_urls: list[str]) -> None:
    """Print how to connect to a sandbox, and serve it until Ctrl+C is pressed."""
    fake = FakeCloud66(clock=SystemClock(), action_seconds=_ACTION_SECONDS)
    with SandboxServer(fake, port=port) as server:
        fake.seed(stacks)
        application = fake.add_application(redirect_urls=(*_REDIRECT_URLS, *redirect_urls))
        token = fake.add_token()
        print_line(f"Sandbox with {stacks} stacks at {server.url}; press Ctrl+C to stop it\n")
        print_line("To use it in another terminal:\n")
        # Printed in plain text: it gives access to this sandbox only.
        print_line(f"  export CLOUD66_URL={server.url} CLOUD66_ACCESS_TOKEN={token.reveal()}")
        print_line("  cloud66-async stacks --environment production\n")
        print_line("OAuth application:\n")
        print_line(f"  client_id={application.client_id} client_secret={application.client_secret}")
        while True:
            time.sleep(3600)
