"""A web application in two uvicorn processes behind nginx, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .servers import RedisServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

for module in ("starlette", "fastapi", "uvicorn", "jinja2"):
    pytest.importorskip(module, reason=f"{module} is not installed; run: pip install 'cloud66-async[test]'")

from ..web.test_browser import decide, heading, start_login  # noqa: E402
from ..web.workers import running  # noqa: E402

pytestmark = pytest.mark.slow


def test_two_workers_in_a_browser(
    chromium: Any,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    with running(tmp_path) as workers:
        workers.start(redis_server.patient_url)
        context = chromium.new_context(base_url=workers.url)
        page: Page = context.new_page()
        seen: set[str] = set()
        page.on("response", lambda response: seen.add(response.headers.get("x-worker", "")))
        start_login(page)
        decide(page)
        heading(page, "Stacks")
        for _ in range(10):
            page.goto("/stacks")
            heading(page, "Stacks")
        assert len(seen - {""}) == 2
        assert workers.fake.calls("oauth.token") == 1
        page.get_by_role("button", name="Log out").click()
        heading(page, "Your stacks at a glance")
        for _ in range(2):
            page.goto("/stacks")
            heading(page, "Authorize Dashboard")
        context.close()
