"""The command `sandbox`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from ...clock import SystemClock
from ...errors import ConfigError
from ...sandbox import FakeCloud66, SandboxServer
from ..terminal.console import print_line
from ._sandbox_faults import FAULTS, Fault, inject, parse_fault

__all__ = ["sandbox"]

_ACTION_SECONDS = 15.0
_REDIRECT_URLS = ("http://127.0.0.1/callback", "http://localhost:8000/callback")


def sandbox(
    *,
    port: Annotated[int, Parameter(help="Port on 127.0.0.1; 0 selects a free port.")] = 6606,
    stacks: Annotated[int, Parameter(validator=validators.Number(gte=0), help="Number of simulated stacks.")] = 600,
    seed: Annotated[int, Parameter(help="Seed of the simulated fleet.")] = 0,
    state: Annotated[
        Path | None, Parameter(help="File that keeps the stacks, with all changes, until the next start.")
    ] = None,
    redirect_url: Annotated[
        list[str] | None,
        Parameter(negative="", help="Additional redirect URL of the sandbox's OAuth application; may be repeated."),
    ] = None,
    latency: Annotated[
        float,
        Parameter(validator=validators.Number(gte=0), help="Delay before each response of the API, in seconds."),
    ] = 0.0,
    fault: Annotated[
        list[Fault] | None,
        Parameter(
            converter=parse_fault,
            n_tokens=1,
            metavar="NAME",
            negative="",
            help="What goes wrong with one request or action in ten, or with the share that follows it, such as "
            f"action-fails=1 for all; may be repeated. [choices: {', '.join(FAULTS)}]",
        ),
    ] = None,
    tls: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Use TLS with a temporary certificate authority; its path is printed."
        ),
    ] = False,
) -> None:
    """Serve a simulated Cloud 66 API with stacks, users and a consent page until you press Ctrl+C."""
    _serve(
        port=port,
        stacks=stacks,
        seed=seed,
        state=state,
        redirect_urls=redirect_url or [],
        latency=latency,
        faults=fault or [],
        tls=tls,
    )


def _serve(
    *,
    port: int,
    stacks: int,
    seed: int,
    state: Path | None,
    redirect_urls: list[str],
    latency: float,
    faults: list[Fault],
    tls: bool,
) -> None:
    """Print how to connect to a sandbox, and serve it until Ctrl+C is pressed.

    Args:
        port: Port to listen on.
        stacks: Number of stacks, unless the state has some.
        seed: Which stacks.
        state: File that is loaded, if it exists, and written at the end. None starts anew each time.
        redirect_urls: Additional redirect URLs of the OAuth application.
        latency: Seconds by which each response of the API is delayed.
        faults: What goes wrong with some of the requests.
        tls: Whether to use TLS, with a temporary authority.
    """
    fake = _sandbox(state, stacks=stacks, seed=seed)
    inject(fake.faults, faults)
    with _kept(fake, state), SandboxServer(fake, port=port, latency=latency, tls=tls) as server:
        application = fake.add_application(redirect_urls=(*_REDIRECT_URLS, *redirect_urls))
        token = fake.add_token()
        print_line(f"Sandbox with {len(fake.world.stacks)} stacks at {server.url}; press Ctrl+C to stop it\n")
        if faults:
            print_line(f"Faults, each with its share of the requests or actions: {', '.join(map(str, faults))}\n")
        print_line("To use it in another terminal:\n")
        if server.ca_file is not None:
            print_line(f"  export SSL_CERT_FILE={server.ca_file}")
        # Printed in plain text: it gives access to this sandbox only.
        print_line(f"  export CLOUD66_URL={server.url} CLOUD66_ACCESS_TOKEN={token.reveal()}")
        print_line("  cloud66-async stacks --environment production\n")
        print_line("For a web application:\n")
        known = f"CLOUD66_CLIENT_ID={application.client_id} CLOUD66_CLIENT_SECRET={application.client_secret}"
        print_line(f"  export {known}")
        print_line(f"  Registered redirect URLs: {', '.join(application.redirect_urls)} (add one with --redirect-url)")
        while True:
            time.sleep(3600)


def _sandbox(state: Path | None, *, stacks: int, seed: int) -> FakeCloud66:
    """Return the sandbox of the last time, or a new one if there is no state."""
    if state is not None and state.exists():
        return FakeCloud66.from_json(state, clock=SystemClock(), action_seconds=_ACTION_SECONDS)
    fake = FakeCloud66(clock=SystemClock(), action_seconds=_ACTION_SECONDS)
    if stacks > 0:
        fake.seed(stacks - 1, seed=seed)
        fake.add_stack("web", environment="production")  # examples in the documentation name it
    return fake


@contextmanager
def _kept(fake: FakeCloud66, state: Path | None) -> Generator[None]:
    """Write the state to the file now, which shows whether it can be written, and when the block ends."""
    if state is None:
        yield
        return
    _write(state, fake.to_json())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the state is written then, too
    try:
        yield
    finally:
        _write(state, fake.to_json())


def _write(path: Path, text: str) -> None:
    """Write a file for its owner only, so that it has either the old or the new content, whatever happens."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write the state to {path}: {error.strerror}; check the option --state") from None
    finally:
        with suppress(OSError):
            new.unlink()
