"""Commands and their options. The modules beside this one implement them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import App, Parameter, validators

from .._version import __version__
from ..client import Cloud66
from .console import run
from .faults import FaultName

__all__ = ["app"]

app: App = App(
    name="cloud66-async",
    help="Manage Cloud 66 stacks from the terminal, or try the SDK with a local sandbox.",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # handled by `exit_on_error`
)

StackName = Annotated[str, Parameter(help="Name or uid of the stack.")]
Environment = Annotated[
    str | None, Parameter(name=["--environment", "-e"], help="Environment of the stack, for example production.")
]
Profile = Annotated[str | None, Parameter(help="Name of the stored login.")]
AsJSON = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="JSON output, one object per line.")
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Access:
    """Options that select the login and the account."""

    account: Annotated[
        int | None, Parameter(help="ID of the account to act for; the default is every account of the user.")
    ] = None
    profile: Profile = None

    def open(self) -> Cloud66:
        """Return a client for this login and account."""
        return Cloud66(account=self.account, profile=self.profile)


_DEFAULT_ACCESS = Access()


@app.command
def demo(
    *,
    json: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Token response as JSON instead of form-encoded."),
    ] = False,
    stacks: Annotated[
        int, Parameter(validator=validators.Number(gte=1), help="Number of simulated stacks, at least 1.")
    ] = 600,
    latency: Annotated[float, Parameter(help="Delay before each response of the sandbox, in seconds.")] = 0.025,
) -> None:
    """Log in to a local sandbox, fetch all its stacks concurrently, and redeploy one (no account needed)."""
    from .demo import demo as show

    run(show(json=json, stacks=stacks, latency=latency))


@app.command
def sandbox(
    *,
    port: Annotated[int, Parameter(help="Port on 127.0.0.1; 0 selects a free port.")] = 6606,
    stacks: Annotated[int, Parameter(validator=validators.Number(gte=0), help="Number of simulated stacks.")] = 600,
    seed: Annotated[int, Parameter(help="Which stacks: each number stands for others.")] = 0,
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
        list[FaultName] | None,
        Parameter(negative="", help="What goes wrong with one request in ten; may be repeated."),
    ] = None,
    tls: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Use TLS with a throw-away authority; its path is printed."),
    ] = False,
) -> None:
    """Serve a simulated Cloud 66 API with stacks, users and a consent page until you press Ctrl+C."""
    from .sandbox import serve

    serve(
        port=port,
        stacks=stacks,
        seed=seed,
        state=state,
        redirect_urls=redirect_url or [],
        latency=latency,
        faults=fault or [],
        tls=tls,
    )


@app.command
def openapi(
    *, output: Annotated[Path | None, Parameter(help="File to write; the default is standard output.")] = None
) -> None:
    """Print the API as an OpenAPI 3.1 document in JSON."""
    from .openapi import write

    write(output)


@app.command
def login(
    *,
    client_id: Annotated[
        str | None,
        Parameter(env_var="CLOUD66_CLIENT_ID", help="Client ID of your OAuth application (Account > Apps)."),
    ] = None,
    scope: Annotated[str, Parameter(help="Scopes, separated by commas or spaces.")] = "public,redeploy",
    browser: Annotated[
        bool, Parameter(help="Open the consent page in a browser, or print its URL and prompt for the code.")
    ] = True,
    port: Annotated[int, Parameter(help="Local port for the callback; 0 selects a free port.")] = 0,
    timeout: Annotated[float, Parameter(help="Maximum time to wait for the callback, in seconds.")] = 300.0,
    token: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Prompt for a personal access token, check it, and store it instead."
        ),
    ] = False,
    profile: Profile = None,
) -> None:
    """Log in and store the access token.

    The client secret is read from CLOUD66_CLIENT_SECRET or from a prompt.
    """
    from .login import log_in, store_token

    if token:
        store_token(profile=profile)
    else:
        log_in(client_id, scope=scope, browser=browser, port=port, timeout=timeout, profile=profile)


@app.command
def logout(
    *,
    client_id: Annotated[
        str | None,
        Parameter(env_var="CLOUD66_CLIENT_ID", help="Client ID of your OAuth application, required for revocation."),
    ] = None,
    profile: Profile = None,
) -> None:
    """Revoke the stored access token if possible, and delete it in any case."""
    from .login import log_out

    log_out(client_id, profile=profile)


@app.command
def stacks(
    *,
    name: Annotated[str | None, Parameter(help="Name of the stack.")] = None,
    environment: Environment = None,
    access: Access = _DEFAULT_ACCESS,
    json: AsJSON = False,
) -> None:
    """List the stacks that the access token can read."""
    from .stacks import list_stacks

    run(list_stacks(access.open(), name=name, environment=environment, json=json))


@app.command
def servers(
    stack: StackName, *, environment: Environment = None, access: Access = _DEFAULT_ACCESS, json: AsJSON = False
) -> None:
    """List the servers of a stack."""
    from .stacks import list_servers

    run(list_servers(access.open(), stack, environment=environment, json=json))


@app.command
def redeploy(
    stack: StackName,
    *,
    environment: Environment = None,
    git_ref: Annotated[
        str | None, Parameter(help="Branch, tag or commit hash; the default is the latest code.")
    ] = None,
    wait: Annotated[
        bool, Parameter(help="Wait until the deployment finishes; the exit code reports the result.")
    ] = True,
    timeout: Annotated[float, Parameter(help="Maximum time to wait for the deployment, in seconds.")] = 900.0,
    access: Access = _DEFAULT_ACCESS,
) -> None:
    """Redeploy a stack and wait until the deployment finishes."""
    from .redeploy import redeploy as start

    run(start(access.open(), stack, environment=environment, git_ref=git_ref, timeout=timeout if wait else None))
