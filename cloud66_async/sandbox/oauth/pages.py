"""Web pages of the sandbox: plain HTML with a strict policy. Values from requests are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlsplit

from ..._core.html import document, policy, source
from ...oauth.callback import OUT_OF_BAND
from ..message import Reply

__all__ = ["code_page", "consent_page", "error_page", "page", "part"]

_SITE = "Cloud 66 sandbox"
_DESCRIPTIONS = {
    "public": "Read your stacks and everything on them",
    "redeploy": "Create, change and redeploy stacks",
    "jobs": "Run and change scheduled jobs",
    "users": "Read the users of your account",
    "admin": "Change users and other settings of your account",
}

_STYLE = """
main.wide { max-width: 60rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
ul { margin: .5rem 0 1rem; padding-left: 1.25rem; }
li { margin: .25rem 0; }
.note { color: var(--soft); font-size: .9rem; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
select, button { font: inherit; border-radius: .375rem; border: 1px solid var(--edge); min-height: 2.75rem; }
select { width: 100%; padding: .25rem .5rem; background: var(--card); color: var(--ink); }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
button { padding: .5rem 1.5rem; background: var(--card); color: var(--ink); cursor: pointer; }
button.go { background: var(--go); border-color: var(--go); color: var(--on-go); font-weight: 600; }
code { font: .95em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
code.code { display: block; padding: .75rem; border: 1px solid var(--line); border-radius: .375rem;
  user-select: all; }
pre { margin: .5rem 0 1rem; padding: .75rem; overflow-x: auto; border: 1px solid var(--line); border-radius: .375rem; }
pre code { overflow-wrap: normal; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0 0 1rem; }
dt { color: var(--soft); font-size: .9rem; }
dd { margin: 0; font-size: 1.75rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
table { width: 100%; margin: 0 0 1.25rem; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding: .25rem 0; font-weight: 600; text-align: left; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--soft); font-size: .9rem; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; width: 9rem; white-space: nowrap; }
@media (max-width: 40rem) { th:last-child, td:last-child { width: 1%; } }
"""
_POLICY = policy(_STYLE)


def consent_page(
    *,
    application: str,
    scopes: Sequence[str],
    users: Iterable[str],
    redirect: str,
    hidden: Iterable[tuple[str, str]],
) -> Reply:
    """Return the page that asks the user to grant access to `application`."""
    items = "".join(
        f"<li>{escape(_DESCRIPTIONS.get(scope, scope))} <code>({escape(scope)})</code></li>" for scope in scopes
    )
    options = "".join(f"<option>{escape(user)}</option>" for user in users)
    fields = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden)
    name = escape(application)
    return page(
        f"Authorize {application}",
        f"""<p>It requests access to your Cloud 66 sandbox account:</p>
<ul>{items}</ul>
<form method="post" action="/oauth/authorize">{fields}
<label for="user">Log in as</label>
<select id="user" name="user">{options}</select>
<div class="buttons">
<button class="go" type="submit" name="decision" value="authorize">Authorize</button>
<button type="submit" name="decision" value="deny">Deny</button>
</div>
</form>
<p class="note">{_next_step(name, redirect)} This is a sandbox, which has no passwords.</p>""",
        form_target=_origin(redirect),
    )


def code_page(code: str) -> Reply:
    """Return the page with the code, for a program that cannot receive a redirect."""
    return page(
        "Authorization code",
        f"""<p>Copy this code into the application. It can be used once, within ten minutes.</p>
<p><code class="code" id="authorization_code">{escape(code)}</code></p>""",
    )


def error_page(status: int, title: str, text: str) -> Reply:
    """Return a page that tells the user what is wrong. The application is not notified."""
    return page(title, f"<p>{escape(text)}</p>", status=status)


def page(
    title: str, content: str, *, status: int = 200, form_target: str = "", script: str = "", wide: bool = False
) -> Reply:
    """Return a page. `content` is HTML.

    Args:
        title: Heading of the page.
        content: HTML below the heading.
        status: HTTP status.
        form_target: Source that a form may redirect to, for the policy.
        script: The only script that the page may run. It may send requests to this server.
        wide: Whether the page uses more of a wide window.
    """
    body = document(title, content, site="" if title == _SITE else _SITE, style=_STYLE, script=script, wide=wide)
    return Reply(status, (("content-type", "text/html; charset=utf-8"), *_headers(form_target, script)), body.encode())


def part(content: str) -> Reply:
    """Return HTML for a script to insert into a page."""
    return Reply(200, (("content-type", "text/html; charset=utf-8"), *_headers("", "")), content.encode())


def _headers(form_target: str, script: str) -> tuple[tuple[str, str], ...]:
    # Browsers apply `form-action` also to the redirect that follows the form.
    action = f"'self' {form_target}".strip()
    allowed = f"script-src {source(script)}; connect-src 'self'; " if script else ""
    return (
        (
            "content-security-policy",
            f"{_POLICY}; {allowed}form-action {action}",
        ),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        ("cache-control", "no-store"),
    )


def _origin(redirect: str) -> str:
    """Return the origin of the redirect URL for the policy, or its scheme if it is not a web page."""
    parts = urlsplit(redirect)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def _next_step(name: str, redirect: str) -> str:
    """Return what happens after the decision. `name` is already escaped."""
    if redirect == OUT_OF_BAND:
        return f"The next page shows a code to copy into {name}."
    parts = urlsplit(redirect)
    host = f" at <code>{escape(parts.netloc)}</code>" if parts.scheme in ("http", "https") else ""
    return f"Both buttons lead back to {name}{host}."
