"""Validation of the page to show after a login."""

from __future__ import annotations

import string
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, strategies

from cloud66_async.integrations.starlette import safe_path

SITE = "https://dash.example"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/stacks",
        "/stacks/",
        "/stacks?next=https://elsewhere.example//x",
        "/stacks#part",
        "/%C3%A9t%C3%A9/%20space",
        "/a.b/..c/~d",
        "/stacks?%0d%0a",
    ],
)
def test_paths_of_this_site(target: str) -> None:
    assert safe_path(target, default="rejected") == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "stacks",
        "?a=b",
        "#x",
        ".",
        "https://evil.example",
        "https:evil.example",
        "HTTPS://evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/stacks\\..\\evil",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nLocation: https://evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/\x00/evil.example",
        "/\x7f/evil.example",
        "/%2fevil.example",
        "/%2Fevil.example",
        "/%5cevil.example",
        "/%5C%2fevil.example",
        "/%252fevil.example",
        "/%25252525252fevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:x",
        "/%00",
        "/.//evil.example",
        "/%2e//evil.example",
        "/a//b",
        "/／evil.example",
        "/\u200b/evil.example",
        "/\u00e9t\u00e9",
        "/" + "x" * 1000,
    ],
)
def test_everything_else_is_rejected(target: str | None) -> None:
    assert safe_path(target, default="/home") == "/home"


def test_default_is_the_home_page() -> None:
    assert safe_path("//evil.example") == "/"


@given(strategies.text(alphabet="/\\.%25fFcC:@?#\t\n\r a\u00ad" + string.digits, max_size=20).map("/".__add__))
def test_browser_stays_on_this_site(target: str) -> None:
    # As browsers do: remove tabs and line breaks, and turn backslashes into slashes.
    path = safe_path(target, default="/")
    normalized = path.translate({9: None, 10: None, 13: None}).strip().replace("\\", "/")
    parts = urlsplit(urljoin(f"{SITE}/login", normalized))
    assert (parts.scheme, parts.netloc) == ("https", "dash.example")
