"""Starts the dashboard: `python docs/examples/dashboard/run.py`, then open the address that it says.

It runs against a sandbox with made-up stacks. For a real Cloud 66 register an application there
(Account > Apps), with http://127.0.0.1:8000/callback as its redirect URL, and set CLOUD66_CLIENT_ID and
CLOUD66_CLIENT_SECRET. PORT changes the port; DASHBOARD_URL is the address in the browser's eyes, where a
proxy stands in front. Ctrl-c ends everything. Needs FastAPI, Jinja2 and `cloud66-async[starlette,sandbox]`.
"""

from __future__ import annotations

import os
from contextlib import suppress

import uvicorn
from dashboard import SCOPE, create_app, show_problem

from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import SandboxServer

PORT = int(os.environ.get("PORT", "8000"))
ADDRESS = os.environ.get("DASHBOARD_URL", f"http://127.0.0.1:{PORT}")
REDIRECT_URL = f"{ADDRESS}/callback"


def serve(client_id: str, client_secret: str, url: str | None = None) -> None:
    """Serve the dashboard for the Cloud 66 at `url`, the real one where none is named."""
    login = WebLogin(
        client_id=client_id,
        client_secret=client_secret,
        redirect_url=REDIRECT_URL,  # from the configuration: a Host header can be forged
        scope=SCOPE,
        error_page=show_problem,
        url=url,
    )
    print(f"The dashboard: {ADDRESS} (ctrl-c ends it)", flush=True)
    with suppress(KeyboardInterrupt):
        # Its access log may stay on: WebLogin keeps the codes of callbacks out of it.
        uvicorn.run(create_app(login), host="127.0.0.1", port=PORT)


def serve_with_sandbox() -> None:
    """Serve it for a Cloud 66 of its own, with 40 stacks, in this same process."""
    with SandboxServer() as server:
        server.fake.seed(40)
        server.fake.world.action_seconds = 12.0
        application = server.fake.add_application("Stacks dashboard", redirect_urls=[REDIRECT_URL])
        print(f"The sandbox:   {server.url}")
        serve(application.client_id, application.client_secret, server.url)


if __name__ == "__main__":
    if "CLOUD66_CLIENT_ID" in os.environ:
        serve(os.environ["CLOUD66_CLIENT_ID"], os.environ["CLOUD66_CLIENT_SECRET"])
    else:
        serve_with_sandbox()
