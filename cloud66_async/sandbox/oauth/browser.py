"""A user at the consent page, for programs that log in without a person: a demo, a test."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from ...errors import LoginError

if TYPE_CHECKING:
    from ..._http.library import httpx

__all__ = ["consent"]


async def consent(
    url: str,
    *,
    user: str | None = None,
    decision: Literal["authorize", "deny"] = "authorize",
    transport: httpx.AsyncBaseTransport | None = None,
) -> str:
    """Where the browser is sent after somebody opened `url` and pressed a button.

    `user` is who signs in, by default the first that the page offers. `transport` leads to a sandbox without a
    network. The redirect itself is not followed. Raises LoginError if there is no consent page at `url`.
    """
    from ..._http.library import httpx

    async with httpx.AsyncClient(transport=transport, trust_env=False) as browser:
        page = await browser.get(url)
        form = _Form(page.text)
        if not form.action:
            raise LoginError(f"there is no consent page at this address: {form.title or page.status_code}")
        fields = {**form.fields, "user": user or form.fields.get("user", ""), "decision": decision}
        answer = await browser.post(urljoin(url, form.action), data=fields)
        location = answer.headers.get("location")
        if location is None:
            raise LoginError(f"the consent led nowhere: {_Form(answer.text).title or answer.status_code}")
        return str(urljoin(url, location))


class _Form(HTMLParser):
    """Reads the title, and the form with what it would send: hidden fields, and the first option of each list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.title = ""
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
        elif self._tag == "option" and self._select:
            self.fields.setdefault(self._select, data)
