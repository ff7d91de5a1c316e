"""The commands and their arguments; what they do is in the modules beside this one."""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import App, Parameter

from .._version import __version__
from ..client import Cloud66
from .console import run

__all__ = ["app"]

app: App = App(
    name="cloud66-async",
    help="Cloud 66 from the terminal: stacks, servers, deployments, and a sandbox to try it all on.",
    version=__version__,
    result_action="return_value",
)

Environment = Annotated[str | None, Parameter(name=["--environment", "-e"], help="Only this environment.")]
Profile = Annotated[str | None, Parameter(help="The name of a stored login.")]
AsJSON = Annotated[bool, Parameter(name="--json", negative="", help="One JSON object per line, for other programs.")]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Access:
    """Whose stacks: options that several commands share."""

    account: Annotated[int | None, Parameter(help="The id of the account to act for.")] = None
    profile: Profile = None

    def open(self) -> Cloud66:
        """A client for them."""
        return Cloud66(account=self.account, profile=self.profile)


_OWN = Access()


@app.command
def demo(
    *,
    json: Annotated[bool, Parameter(negative="", help="Have the token answer come as JSON, not form-encoded.")] = False,
    stacks: Annotated[int, Parameter(help="How many stacks the sandbox has.")] = 600,
    latency: Annotated[float, Parameter(help="Seconds that the sandbox takes for each answer.")] = 0.025,
) -> None:
    """Log in to a sandbox on this machine, read all its stacks at once, and redeploy one. Needs no account."""
    from .demo import demo as show

    run(show(json=json, stacks=stacks, latency=latency))


@app.command
def sandbox(
    *,
    port: Annotated[int, Parameter(help="The port on 127.0.0.1; 0 takes a free one.")] = 6606,
    stacks: Annotated[int, Parameter(help="How many stacks there are.")] = 600,
    redirect_url: Annotated[
        list[str] | None, Parameter(help="A redirect URL of the registered application; may be repeated.")
    ] = None,
) -> None:
    """Serve a Cloud 66 of your own until ctrl-c, with a consent page, users and stacks."""
    from .sandbox import serve

    serve(port=port, stacks=stacks, redirect_urls=redirect_url or [])


@app.command
def login(
    *,
    client_id: Annotated[
        str | None, Parameter(env_var="CLOUD66_CLIENT_ID", help="Of your application under Account > Apps.")
    ] = None,
    scope: Annotated[str, Parameter(help="Scopes, separated by commas or blanks.")] = "public,redeploy",
    browser: Annotated[bool, Parameter(help="Open a browser; else print the address and ask for the code.")] = True,
    port: Annotated[int, Parameter(help="A fixed port for the redirect; 0 takes a free one.")] = 0,
    patience: Annotated[float, Parameter(help="How long to wait for the browser, in seconds.")] = 300.0,
    token: Annotated[bool, Parameter(negative="", help="Store a personal access token, which is asked for.")] = False,
    profile: Profile = None,
) -> None:
    """Log in and store the login. The client secret comes from CLOUD66_CLIENT_SECRET or is asked for."""
    from .login import log_in, store_token

    if token:
        run(store_token(profile=profile))
    else:
        run(log_in(client_id, scope=scope, browser=browser, port=port, patience=patience, profile=profile))


@app.command
def logout(
    *,
    client_id: Annotated[
        str | None, Parameter(env_var="CLOUD66_CLIENT_ID", help="With it the token is revoked too, where that works.")
    ] = None,
    profile: Profile = None,
) -> None:
    """Delete the stored login, after revoking its token where the server allows that."""
    from .login import log_out

    run(log_out(client_id, profile=profile))


@app.command
def stacks(
    *, name: str | None = None, environment: Environment = None, access: Access = _OWN, json: AsJSON = False
) -> None:
    """List the stacks that the token can see."""
    from .stacks import list_stacks

    run(list_stacks(access.open(), name=name, environment=environment, json=json))


@app.command
def servers(stack: str, *, environment: Environment = None, access: Access = _OWN, json: AsJSON = False) -> None:
    """List the servers of a stack, given by its name or uid."""
    from .stacks import list_servers

    run(list_servers(access.open(), stack, environment=environment, json=json))


@app.command
def redeploy(
    stack: str,
    *,
    environment: Environment = None,
    git_ref: Annotated[str | None, Parameter(help="A branch, tag or hash; by default the newest code.")] = None,
    wait: Annotated[bool, Parameter(help="Wait for the end; the exit code tells how it went.")] = True,
    timeout: Annotated[float, Parameter(help="The longest wait, in seconds.")] = 900.0,
    access: Access = _OWN,
) -> None:
    """Redeploy a stack, given by its name or uid, and wait until that has ended."""
    from .redeploy import redeploy as start

    run(start(access.open(), stack, environment=environment, git_ref=git_ref, timeout=timeout if wait else None))
