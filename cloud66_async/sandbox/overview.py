"""The start page of the sandbox: its state, which is updated while the page is open, and how to connect to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from ..oauth.callback import OUT_OF_BAND
from ..resources.common import Health
from .message import Reply, Request
from .oauth.pages import page, part

if TYPE_CHECKING:
    from .oauth.access import Application
    from .recorder import RecordedRequest
    from .stack import FakeStack

__all__ = ["PATHS", "Overview", "overview_reply"]

_STATE = "/state"
PATHS = ("/", _STATE)
"""The paths of the page and of the part of it that changes."""

_LATEST = 8
_HEALTHS = (Health.HEALTHY, Health.IMPAIRED, Health.FAILED, Health.BUILDING, Health.UNKNOWN)  # as they are shown
_RUNNING = 5

_SCRIPT = """
"use strict";
const state = document.getElementById("state");
const note = document.getElementById("updated");
setInterval(async () => {
  if (document.hidden) return;
  try {
    const response = await fetch("/state", { cache: "no-store" });
    if (!response.ok) throw new Error(response.status);
    state.innerHTML = await response.text();
    note.textContent = "Updated every two seconds.";
  } catch {
    note.textContent = "The sandbox does not respond. Check the terminal in which it was started.";
  }
}, 2000);
"""


class Overview(NamedTuple):
    """What the page shows.

    Args:
        now: Time on the clock of the sandbox.
        stacks: Every stack.
        applications: OAuth applications.
        requests: Number of requests so far.
        latest: The requests, the oldest first.
        quota: Users by e-mail address, with the number of requests that each has left this hour.
        limit: Number of requests that each user has in an hour.
    """

    now: datetime
    stacks: Iterable[FakeStack]
    applications: Iterable[Application]
    requests: int
    latest: Iterable[RecordedRequest]
    quota: Iterable[tuple[str, int]]
    limit: int


def overview_reply(request: Request, overview: Overview) -> Reply:
    """Return the page, or the part of it that changes."""
    if request.path == _STATE:
        return part(_state(overview))
    listed = "".join(_application(each) for each in overview.applications)
    return page(
        "Cloud 66 sandbox",
        f"""<p>A simulated Cloud 66. It does not manage any real servers.</p>
<h2>State</h2>
<div id="state">{_state(overview)}</div>
<p class="note" id="updated"></p>
{_connect(request)}
<h2>Registered applications</h2>
{f"<ul>{listed}</ul>" if listed else "<p>None.</p>"}
<h2>URLs</h2>
<ul>
<li>API: <code>/api/3</code>, for example <a href="/api/3/ping.json">/api/3/ping.json</a></li>
<li>Log in: <code>/oauth/authorize</code>, opened by an application with its client ID</li>
<li>Token: <code>/oauth/token</code></li>
</ul>""",
        script=_SCRIPT,
        wide=True,
    )


def _connect(request: Request) -> str:
    url = escape(request.base or "https://cloud66.sandbox.example")
    return f"""<h2>Connect a client</h2>
<p>From a terminal, with the access token that <code>cloud66-async sandbox</code> printed:</p>
<pre tabindex="0"><code>export CLOUD66_URL={url}
export CLOUD66_ACCESS_TOKEN=...
cloud66-async stacks</code></pre>
<p>From Python:</p>
<pre tabindex="0"><code>async with Cloud66("...", url="{url}") as c66:
    print(await c66.stacks.list())</code></pre>"""


def _state(overview: Overview) -> str:
    stacks = list(overview.stacks)
    running = [(stack, action) for stack in stacks for action in _running(stack, overview.now)]
    figures = [("Stacks", len(stacks)), ("Running actions", len(running)), ("Requests", overview.requests)]
    terms = "".join(f"<div><dt>{name}</dt><dd>{number:,}</dd></div>" for name, number in figures)
    actions = [
        (stack, name, f"{seconds:.0f} s")
        for stack, (name, seconds) in ((one.data["name"], two) for one, two in running)
    ]
    if len(actions) > _RUNNING:
        actions = [*actions[:_RUNNING], (f"and {len(actions) - _RUNNING:,} more", "", "")]
    health = Counter(Health(stack.data["health"]) for stack in stacks)
    latest = [
        (f"{each.time:%H:%M:%S}", each.operation or "unknown", each.outcome)
        for each in [*overview.latest][: -_LATEST - 1 : -1]
    ]
    quota = [(user, f"{left:,} of {overview.limit:,}") for user, left in overview.quota]
    return (
        f'<dl class="figures">{terms}</dl>'
        + _table(
            "Stacks by health", ("Health", "Stacks"), ((str(each), f"{health[each]:,}") for each in _order(health))
        )
        + _table("Running actions", ("Stack", "Action", "Time left"), actions)
        + _table("Latest requests", ("Time", "Operation", "Response"), latest)
        + _table("Requests left this hour", ("User", "Left"), quota)
    )


def _order(health: Iterable[Health]) -> list[Health]:
    return sorted(health, key=lambda each: _HEALTHS.index(each) if each in _HEALTHS else len(_HEALTHS))


def _running(stack: FakeStack, now: datetime) -> Iterator[tuple[str, float]]:
    """Yield the name of each unfinished action of the stack, and the seconds that it has left."""
    if not stack.busy:
        return  # reading the actions of a stack would create them
    for action in stack.actions:
        if not action.finished(now):
            yield action.action, (action.ends_at - now).total_seconds()


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    header = "".join(f'<th scope="col">{name}</th>' for name in columns)
    # Names of actions and operations may break in a narrow window, but only between words.
    cells = ["".join(f"<td>{escape(value).replace('_', '_<wbr>')}</td>" for value in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells) or f'<tr><td colspan="{len(columns)}">None.</td></tr>'
    return f"<table><caption>{title}</caption><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _application(application: Application) -> str:
    client_id = application.client_id
    fields = {"client_id": client_id, "redirect_uri": OUT_OF_BAND, "response_type": "code", "scope": "public redeploy"}
    url = escape("/oauth/authorize?" + urlencode(fields))
    return (
        f"<li>{escape(application.name)}, client ID <code>{escape(client_id)}</code>: "
        f'<a href="{url}">open its consent page</a></li>'
    )
