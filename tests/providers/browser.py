"""A user with a browser: signs in, presses a button of the consent page, and is sent back."""

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
    """What the browser shows at the end."""

    url: str
    status: int
    text: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}


def code_on(page: Page) -> str:
    """The code that the page shows, or that its address holds."""
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
    """One user's browser, with cookies of its own."""

    def __init__(self, user: str = "somebody") -> None:
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
        """Where the browser is sent once the user has agreed."""
        return await asyncio.to_thread(self._walk, url, deny=False)

    async def deny(self, url: str) -> Page:
        """Where the browser is sent once the user has said no."""
        return await asyncio.to_thread(self._walk, url, deny=True)

    async def visit(self, url: str) -> Page:
        """What this address shows."""
        return (await asyncio.to_thread(self._open, url, None))[0]

    async def post(self, url: str) -> Page:
        """What this address says to an empty form."""
        return (await asyncio.to_thread(self._open, url, b""))[0]

    def _walk(self, url: str, *, deny: bool) -> Page:
        site, body = urlsplit(url).netloc, None
        for _ in range(20):
            page, location = self._open(url, body)
            body = None
            if location is not None:
                url = urljoin(url, location)
                self.seen |= {
                    value for name, value in page._replace(url=url).query.items() if name in ("code", "state")
                }
                if urlsplit(url).netloc != site:
                    return Page(url, page.status, "")
                continue
            step = self._press(page, deny=deny)
            if step is None:
                return page
            url, body = step
        raise AssertionError(f"no end of pages at {site}")

    def _press(self, page: Page, *, deny: bool) -> tuple[str, bytes | None] | None:
        """The next request: of the form that signs in, else of the button that was chosen."""
        found = _Forms()
        found.feed(page.text)
        for form in found.forms:
            if form.text_fields:
                return self._submit(page, form, form.buttons[0], dict.fromkeys(form.text_fields, self.user))
        choices = [(form, button) for form in found.forms for button in form.buttons]
        if deny:
            for text, href in found.links:
                if "cancel" in text.lower():
                    return urljoin(page.url, href), None
        for form, button in choices:
            if (button[1].lower() in _DENY) == deny:
                return self._submit(page, form, button, {})
        return None

    @staticmethod
    def _submit(page: Page, form: _Form, button: tuple[str, str], typed: dict[str, str]) -> tuple[str, bytes | None]:
        fields = form.fields | typed | ({button[0]: button[1]} if button[0] else {})
        return urljoin(page.url, form.action), urlencode(fields).encode()

    def _open(self, url: str, body: bytes | None) -> tuple[Page, str | None]:
        request = urllib.request.Request(url, data=body)
        try:
            with self._opener.open(request, timeout=30) as answer:
                return Page(url, answer.status, answer.read().decode()), None
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("Location") if 300 <= error.code < 400 else None
                return Page(url, error.code, error.read().decode()), location
