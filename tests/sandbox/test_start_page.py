"""The start page in Chromium: it is updated while it is open, and fits narrow windows."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cloud66_async.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def list_stacks(server: SandboxServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    token = server.fake.add_token().reveal()
    connection.request("GET", "/api/3/stacks.json", headers={"Authorization": f"Bearer {token}"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_open_page_is_updated(chromium: Browser, width: int) -> None:
    errors: list[str] = []
    with SandboxServer() as server:
        server.fake.seed(60)
        server.fake.add_application()
        page = chromium.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda message: errors.append(message.text))
        page.goto(server.url)
        figures = page.locator("dd")
        assert figures.all_inner_texts()[::2] == ["60", "0"]
        page.get_by_role("link", name="open its consent page").focus()
        server.fake.add_stack("<b>new</b>")
        list_stacks(server)
        page.get_by_role("cell", name="stacks.list").wait_for()
        assert figures.all_inner_texts()[::2] == ["61", "1"]
        assert page.evaluate("document.activeElement.textContent") == "open its consent page"  # the focus stays
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert errors == []
        server.stop()
        page.get_by_text("The sandbox does not respond.").wait_for()
        page.close()


def test_script_of_a_page_with_another_host_name_cannot_read_the_state(chromium: Browser) -> None:
    with SandboxServer() as server:
        page = chromium.new_page()
        response = page.goto(server.url.replace("127.0.0.1", "sandbox.localhost"))
        assert response is not None
        assert response.status == 421
        assert page.locator("h1").inner_text() == "Unknown host"
        page.close()
