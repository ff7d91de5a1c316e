"""What the web login writes to logs."""

from __future__ import annotations

import logging

import pytest

from .site import open_site, query


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_site() as site:
        browser = site.browser()
        started = await browser.start_login()
        callback = await site.fake.consent(started)
        await browser.get(callback)
        await browser.get("/stacks")
        site.fake.revoke(site.newest_token)
        await browser.get("/stacks")
        denied = await site.fake.consent(await browser.start_login(), decision="deny")
        await browser.get(denied)
        ours = "\n".join(
            record.getMessage() for record in caplog.records if record.name.startswith(("cloud66_async", "uvicorn"))
        )
        assert "AccessDenied" in ours
        for secret in (
            query(started)["state"],
            query(callback)["code"],
            query(denied)["state"],
            browser.session or "-",
        ):
            assert secret not in ours
        assert site.newest_token.reveal() not in ours


def access_record(path: str) -> logging.LogRecord:
    template = '%s - "%s %s HTTP/%s" %d'
    arguments = ("127.0.0.1:5000", "GET", path, "1.1", 303)
    return logging.LogRecord("uvicorn.access", logging.INFO, __file__, 1, template, arguments, None)


async def test_access_log_shows_no_code() -> None:
    logger = logging.getLogger("uvicorn.access")
    filters = list(logger.filters)
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)  # not caplog: a server without an access log stops the propagation of this logger
    try:
        async with open_site():
            logger.handle(access_record("/callback?code=c0de&state=st4te"))
            logger.handle(access_record("/stacks?environment=qa"))
    finally:
        logger.removeHandler(handler)
    assert messages == [
        '127.0.0.1:5000 - "GET /callback?(hidden) HTTP/1.1" 303',
        '127.0.0.1:5000 - "GET /stacks?environment=qa HTTP/1.1" 303',
    ]
    assert logger.filters == filters


def test_record_with_other_arguments_is_unchanged() -> None:
    from cloud66_async.integrations.starlette.logs import CallbackFilter

    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%(path)s", ({"path": "/callback?code=c"},), None)
    assert CallbackFilter("/callback").filter(record)
    assert record.args == {"path": "/callback?code=c"}
