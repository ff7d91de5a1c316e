"""Web pages of the sandbox: accessible, with a strict content security policy, and with escaped values."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from cloud66_async import NotFound
from cloud66_async.sandbox import FakeCloud66, Reply, Request

EVIL = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(reply.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def consent(fake: FakeCloud66, **changes: str) -> Reply:
    fields = {
        "client_id": "sandbox-client",
        "redirect_uri": "http://127.0.0.1:9999/callback",
        "response_type": "code",
        "scope": "public redeploy",
        **changes,
    }
    return fake.handle(Request("GET", "/oauth/authorize?" + urlencode(fields)))


def every_page(fake: FakeCloud66) -> dict[str, Reply]:
    return {
        "start": fake.handle(Request("GET", "/")),
        "consent": consent(fake),
        "error": consent(fake, client_id="unknown"),
        "code": fake.handle(Request("GET", "/oauth/authorize/native?code=abc")),
        "missing": fake.handle(Request("GET", "/favicon.ico")),
    }


NAMES = ["start", "consent", "error", "code", "missing"]


def sandbox(name: str = "Stack Watch") -> FakeCloud66:
    fake = FakeCloud66()
    fake.add_application(name)
    return fake


@pytest.mark.parametrize("name", NAMES)
def test_page_has_language_title_heading_and_landmark(name: str) -> None:
    page = Page(every_page(sandbox())[name])
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("meta")[1]["name"] == "viewport"
    assert len(page.all("script")) == (name == "start")


@pytest.mark.parametrize("name", NAMES)
def test_page_has_a_strict_policy(name: str) -> None:
    reply = every_page(sandbox())[name]
    policy = reply.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("referrer-policy") == "no-referrer"
    assert reply.header("cache-control") == "no-store"


def test_fields_of_the_consent_form_have_labels() -> None:
    page = Page(consent(sandbox()))
    labels = {attributes["for"] for attributes in page.all("label")}
    visible = [found for found in page.all("input") if found["type"] != "hidden"] + page.all("select")
    assert {found["id"] for found in visible} == labels
    assert [(button["type"], button["value"]) for button in page.all("button")] == [
        ("submit", "authorize"),
        ("submit", "deny"),
    ]


def test_consent_page_names_application_scopes_and_users() -> None:
    text = consent(sandbox()).body.decode()
    for expected in ("Stack Watch", "public", "redeploy", "127.0.0.1:9999", "ada@example.com", "grace@example.com"):
        assert expected in text
    assert "Log in as" in text
    assert "(admin)" not in text


@pytest.mark.parametrize(
    ("redirect", "source"),
    [
        ("http://127.0.0.1:9999/callback", "form-action 'self' http://127.0.0.1:9999"),
        ("urn:ietf:wg:oauth:2.0:oob", "form-action 'self' urn:"),
    ],
)
def test_form_may_redirect_to_the_application_only(redirect: str, source: str) -> None:
    policy = consent(sandbox(), redirect_uri=redirect).header("content-security-policy") or ""
    assert policy.endswith(source)


def test_values_from_requests_are_escaped() -> None:
    fake = sandbox(EVIL)
    fake.add_user(f"{EVIL}@example.com")
    pages = [
        fake.handle(Request("GET", "/")),
        consent(fake, state=EVIL),
        fake.handle(Request("GET", "/oauth/authorize/native?" + urlencode({"code": EVIL}))),
    ]
    for page in pages:
        assert "<script>alert" not in page.body.decode()
        assert "&lt;script&gt;" in page.body.decode()
        assert len(Page(page).all("script")) == (page is pages[0])


def test_start_page_links_to_a_consent_page() -> None:
    fake = sandbox()
    start = fake.handle(Request("GET", "/"))
    links = [str(link["href"]) for link in Page(start).all("a")]
    assert [fake.handle(Request("GET", link)).status for link in links] == [200, 200]


def test_start_page_without_applications() -> None:
    assert b"<h2>Registered applications</h2>\n<p>None.</p>" in FakeCloud66().handle(Request("GET", "/")).body


def test_start_page_allows_only_its_own_script() -> None:
    reply = sandbox().handle(Request("GET", "/"))
    script = reply.body.decode().partition("<script>")[2].partition("</script>")[0]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = reply.header("content-security-policy") or ""
    assert f"script-src 'sha256-{allowed}'; connect-src 'self'; " in policy
    assert "script-src" not in (consent(sandbox()).header("content-security-policy") or "")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1:6606", "http://127.0.0.1:6606"), ("sandbox.example", "https://sandbox.example")],
)
def test_start_page_shows_how_to_connect(host: str, url: str) -> None:
    text = sandbox().handle(Request("GET", "/", {"host": host})).body.decode()
    assert f"export CLOUD66_URL={url}" in text
    assert f'Cloud66("...", url="{url}")' in text


async def test_state_shows_stacks_actions_requests_and_quota() -> None:
    fake = sandbox()
    stack = fake.add_stack(EVIL)
    fake.add_stack("api")
    async with fake.client() as c66:
        await c66.stacks.redeploy(stack.uid)
        with pytest.raises(NotFound):
            await c66.stacks.get("unknown")
    fake.clock.advance(20)
    text = fake.handle(Request("GET", "/state")).body.decode()
    assert re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", text) == [
        ("Stacks", "2"),
        ("Running actions", "1"),
        ("Requests", "2"),
    ]
    # Long names may break after an underscore.
    assert re.findall(r"<td>([^<]+)</td>", text.replace("_<wbr>", "_")) == [
        *("healthy", "2"),
        *(html.escape(EVIL), "application_deployment", "40 s"),
        *("09:12:30", "stacks.get", "404"),
        *("09:12:30", "stacks.redeploy", "200"),
        *("ada@example.com", "3,598 of 3,600"),
        *("grace@example.com", "3,600 of 3,600"),
    ]
    assert text in fake.handle(Request("GET", "/")).body.decode()
    fake.clock.advance(3600)
    text = fake.handle(Request("GET", "/state")).body.decode()
    assert "<dt>Running actions</dt><dd>0</dd>" in text
    assert "<td>3,600 of 3,600</td>" in text


def test_state_lists_the_first_actions_of_many() -> None:
    fake = FakeCloud66()
    for stack in fake.seed(600):
        fake.world.act(stack, "reboot", user="ada@example.com")
    text = fake.handle(Request("GET", "/state")).body.decode()
    assert re.search(r"<td>and \d{3} more</td>", text) is not None
    assert text.count("<tr>") < 25


@pytest.mark.parametrize(
    ("redirect", "text"),
    [
        ("http://127.0.0.1:9999/callback", "lead back to Stack Watch at <code>127.0.0.1:9999</code>"),
        ("urn:ietf:wg:oauth:2.0:oob", "shows a code to copy into Stack Watch"),
    ],
)
def test_consent_page_describes_the_next_step(redirect: str, text: str) -> None:
    assert text in consent(sandbox(), redirect_uri=redirect).body.decode()
