"""Server for the dashboard: run `python docs/examples/dashboard/run.py` and open the URL that it prints.

By default it uses a sandbox with simulated stacks. To use your Cloud 66 account, register an application there
(Account > Apps) with the redirect URL http://127.0.0.1:8000/callback, and set CLOUD66_CLIENT_ID and
CLOUD66_CLIENT_SECRET. Set PORT to change the port, and DASHBOARD_URL if the browser uses another URL, for example
behind a proxy. Press Ctrl+C to stop it. Requires FastAPI, Jinja2 and `cloud66-async[starlette,sandbox]`.
"""

from __future__ import annotations

import os
from contextlib import suppress

import uvicorn
from dashboard import SCOPE, create_app, show_problem

from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import SandboxServer

PORT = int(os.environ.get("PORT", "8000"))
URL = os.environ.get("DASHBOARD_URL", f"http://127.0.0.1:{PORT}")
REDIRECT_URL = f"{URL}/callback"


def serve(client_id: str, client_secret: str, url: str | None = None) -> None:
    """Serve the dashboard for the Cloud 66 server at `url`. The default is CLOUD66_URL, or else Cloud 66 itself."""
    login = WebLogin(
        client_id=client_id,
        client_secret=client_secret,
        redirect_url=REDIRECT_URL,  # not from the Host header, which can be forged
        scope=SCOPE,
        error_page=show_problem,
        url=url,
    )
    print(f"Dashboard: {URL} (press Ctrl+C to stop)", flush=True)
    with suppress(KeyboardInterrupt):
        # The access log may stay enabled: WebLogin redacts authorization codes in it.
        uvicorn.run(create_app(login), host="127.0.0.1", port=PORT)


def serve_with_sandbox() -> None:
    """Serve the dashboard with a sandbox of 40 stacks in the same process."""
    with SandboxServer() as server:
        server.fake.seed(40)
        server.fake.world.action_seconds = 12.0
        application = server.fake.add_application("Stacks dashboard", redirect_urls=[REDIRECT_URL])
        print(f"Sandbox:   {server.url}")
        serve(application.client_id, application.client_secret, server.url)


if __name__ == "__main__":
    if "CLOUD66_CLIENT_ID" in os.environ:
        serve(os.environ["CLOUD66_CLIENT_ID"], os.environ["CLOUD66_CLIENT_SECRET"])
    else:
        serve_with_sandbox()
