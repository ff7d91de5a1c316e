"""The commands and their arguments; what they do is in the modules beside this one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from .._version import __version__
from .console import run

__all__ = ["app"]

app = App(
    name="cloud66-async",
    help="Cloud 66 from the terminal: stacks, servers, deployments, and a sandbox to try it all on.",
    version=__version__,
    result_action="return_value",
)

Account = Annotated[int | None, Parameter(help="The id of the account to act for.")]
Environment = Annotated[str | None, Parameter(name=["--environment", "-e"], help="Only this environment.")]
AsJSON = Annotated[bool, Parameter(name="--json", negative="", help="One JSON object per line, for other programs.")]


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
def stacks(
    *, name: str | None = None, environment: Environment = None, account: Account = None, json: AsJSON = False
) -> None:
    """List the stacks that the token can see."""
    from .stacks import list_stacks

    run(list_stacks(name=name, environment=environment, account=account, json=json))


@app.command
def servers(stack: str, *, environment: Environment = None, account: Account = None, json: AsJSON = False) -> None:
    """List the servers of a stack, given by its name or uid."""
    from .stacks import list_servers

    run(list_servers(stack, environment=environment, account=account, json=json))


@app.command
def redeploy(
    stack: str,
    *,
    environment: Environment = None,
    git_ref: Annotated[str | None, Parameter(help="A branch, tag or hash; by default the newest code.")] = None,
    wait: Annotated[bool, Parameter(help="Wait for the end; the exit code tells how it went.")] = True,
    within: Annotated[float, Parameter(help="The longest wait, in seconds.")] = 900.0,
    account: Account = None,
) -> None:
    """Redeploy a stack, given by its name or uid, and wait until that has ended."""
    from .redeploy import redeploy as start

    run(start(stack, environment=environment, git_ref=git_ref, within=within if wait else None, account=account))
