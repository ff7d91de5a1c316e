"""A simulated user at the consent page, for demos and tests that log in without a person."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urljoin, urlsplit

from ..._core.text import clean
from ...errors import LoginError

if TYPE_CHECKING:
    from ..._http.library import httpx
    from ...oauth.login import Login

__all__ = ["consent", "find_code"]


async def consent(
    login: str | Login,
    *,
    user: str | None = None,
    decision: Literal["authorize", "deny"] = "authorize",
    transport: httpx.AsyncBaseTransport | None = None,
) -> str:
    """Open the consent page of `login`, or at this URL, decide, and return the callback URL, which is not opened.

    `user` is the e-mail address of the user who logs in, by default the first one that the page offers. `transport`
    leads to a sandbox without a network. Raises LoginError if the page is not a consent page.
    """
    from ..._http.library import httpx

    url = login if isinstance(login, str) else login.url
    async with httpx.AsyncClient(transport=transport, trust_env=False) as browser:
        page = await browser.get(url, follow_redirects=True)
        form = _Form(page.text)
        if not form.action:
            raise LoginError(f"no consent page at this URL ({page.status_code}): {_problem(form)}; check the URL")
        fields = {**form.fields, "user": user or form.fields.get("user", ""), "decision": decision}
        response = await browser.post(urljoin(str(page.url), form.action), data=fields)
        location = response.headers.get("location")
        if location is None:
            raise LoginError(f"no redirect after consent ({response.status_code}): {_problem(_Form(response.text))}")
        return str(urljoin(str(page.url), location))


def find_code(callback: str) -> str:
    """Return the authorization code in a callback URL, or an empty string."""
    return parse_qs(urlsplit(callback).query).get("code", [""])[0]


class _Form(HTMLParser):
    """Parser for a page's title, first paragraph and form: its hidden fields, and the first option of each list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.title = ""
        self.text = ""
        self.action = ""
        self.fields: dict[str, str] = {}
        self._select = ""
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._tag = tag
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input":
            self.fields[given.get("name", "")] = given.get("value", "")
        elif tag == "select":
            self._select = given.get("name", "")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""
        if tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "h1":
            self.title = data
        elif self._tag == "p" and not self.text:
            self.text = data
        elif self._tag == "option" and self._select:
            self.fields.setdefault(self._select, data)


def _problem(form: _Form) -> str:
    """Return what an error page says."""
    parts = (clean(form.title) or "a page without a title", clean(form.text).rstrip("."))
    return ": ".join(filter(None, parts))
