"""A simulated user with a browser: logs in, submits the consent page, and follows the redirect."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

__all__ = ["Browser", "Page", "code_on"]

_DENY = ("deny", "cancel")


class Page(NamedTuple):
    """The last page that the browser shows."""

    url: str
    status: int
    text: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}


def code_on(page: Page) -> str:
    """Return the code that the page shows or that its URL contains."""
    shown = re.search(r'<code id="authorization_code">([^<]+)</code>', page.text)
    return shown[1] if shown else page.query["code"]


class _Form:
    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method.lower()
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self.text_fields: list[str] = []


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.links: list[tuple[str, str]] = []
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(found.get("action", ""), found.get("method", "get")))
        elif tag == "a":
            self._link = found.get("href")
        elif tag in ("input", "button") and self.forms:
            form, kind, name = (
                self.forms[-1],
                found.get("type", "submit" if tag == "button" else "text"),
                found.get("name"),
            )
            if kind == "submit":
                form.buttons.append((name or "", found.get("value", "")))
            elif name:
                form.fields[name] = found.get("value", "")
                if kind in ("text", "password"):
                    form.text_fields.append(name)

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self.links.append((data, self._link))
            self._link = None


class Browser:
    """One user's browser, with its own cookies."""

    def __init__(self, user: str = "user") -> None:
        self.user = user
        jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainLiberal))
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPCookieProcessor(jar),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            self._opener.add_handler(handler)
        self.seen: set[str] = set()

    async def consent(self, url: str) -> Page:
        """Grant access and return the page that the browser is redirected to."""
        return await asyncio.to_thread(self._follow, url, deny=False)

    async def deny(self, url: str) -> Page:
        """Deny access and return the page that the browser is redirected to."""
        return await asyncio.to_thread(self._follow, url, deny=True)

    async def visit(self, url: str) -> Page:
        """Return the page at this URL."""
        return (await asyncio.to_thread(self._open, url, None))[0]

    async def post(self, url: str) -> Page:
        """Submit an empty form to this URL and return the page."""
        return (await asyncio.to_thread(self._open, url, b""))[0]

    def _follow(self, url: str, *, deny: bool) -> Page:
        site, body = urlsplit(url).netloc, None
        for _ in range(20):
            page, location = self._open(url, body)
            body = None
            if location is not None:
                url = urljoin(url, location)
                self.seen |= {
                    value for name, value in page._replace(url=url).query.items() if name in ("code", "state")
                }
                if urlsplit(url).netloc == site:
                    continue
                if {"code", "error"} & page._replace(url=url).query.keys():
                    return Page(url, page.status, "")
                site = urlsplit(url).netloc  # from the local start page of a login to the provider
                continue
            following = self._submit_page(page, deny=deny)
            if following is None:
                return page
            url, body = following
        raise AssertionError(f"too many pages at {site}")

    def _submit_page(self, page: Page, *, deny: bool) -> tuple[str, bytes | None] | None:
        """Return the next request: of the login form if there is one, otherwise of the chosen button."""
        found = _Forms()
        found.feed(page.text)
        for form in found.forms:
            if form.text_fields:
                return self._submission(page, form, form.buttons[0], dict.fromkeys(form.text_fields, self.user))
        choices = [(form, button) for form in found.forms for button in form.buttons]
        if deny:
            for text, href in found.links:
                if "cancel" in text.lower():
                    return urljoin(page.url, href), None
        for form, button in choices:
            if (button[1].lower() in _DENY) == deny:
                return self._submission(page, form, button, {})
        return None

    @staticmethod
    def _submission(
        page: Page, form: _Form, button: tuple[str, str], typed: dict[str, str]
    ) -> tuple[str, bytes | None]:
        fields = form.fields | typed | ({button[0]: button[1]} if button[0] else {})
        return urljoin(page.url, form.action), urlencode(fields).encode()

    def _open(self, url: str, body: bytes | None) -> tuple[Page, str | None]:
        request = urllib.request.Request(url, data=body)
        try:
            with self._opener.open(request, timeout=30) as response:
                return Page(url, response.status, response.read().decode()), None
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("Location") if 300 <= error.code < 400 else None
                return Page(url, error.code, error.read().decode()), location
