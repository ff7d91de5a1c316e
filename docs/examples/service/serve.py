"""Serve one step of the tutorial: `python serve.py step1`."""

import importlib
import sys
from contextlib import suppress

import uvicorn

from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import SandboxServer

URL = "http://127.0.0.1:8000"


def main(step: str) -> None:
    """Serve the step, and a sandbox of 40 stacks, until Ctrl+C is pressed."""
    with SandboxServer() as sandbox:
        sandbox.fake.seed(40)
        application = sandbox.fake.add_application(
            "Stacks", redirect_urls=[f"{URL}/callback"]
        )
        login = WebLogin(
            client_id=application.client_id,
            client_secret=application.client_secret,
            redirect_url=f"{URL}/callback",
            scope=["public", "redeploy"],
            url=sandbox.url,
        )
        app = importlib.import_module(step).create_app(login)
        print(f"Open {URL} and press Ctrl+C to stop", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.run(app, host="127.0.0.1", port=8000, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1])
