"""Uses of the public coroutines of logins, token stores and the web integration."""

# ruff: noqa: PT017  a use may end with this error

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import keyring

from cloud66_async import Token
from cloud66_async.integrations.keyring import KeyringStore
from cloud66_async.integrations.starlette import MemorySessions
from cloud66_async.oauth import Cloud66OAuth2Client, FileStore, Login, MemoryStore, login_with_browser, login_with_code
from cloud66_async.oauth.store import TokenStore, ToolbeltStore

from ..oauth.browsing import follow, get
from ..oauth.stored import MemoryKeyring
from ..support import iterations
from ..web.site import Browser, make_app, web_login
from .served import Served
from .uses import Use

__all__ = ["LOGINS"]

TOKEN = Token("TOKEN-1")

Pending = tuple[Login, str]


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# --- the client ----------------------------------------------------------------------------------


async def pending(served: Served) -> Pending:
    login = served.site.login(scope="public")
    return login, await served.fake.consent(login)


async def finish_login(served: Served, found: Pending) -> None:
    assert (await served.site.finish_login(*found)).scopes == ("public",)


async def revoke(served: Served, _: object) -> None:
    await served.site.revoke(served.fake.add_token())


async def login_in_browser(served: Served, _: object) -> None:
    async def browse(url: str) -> None:
        await (
            iterations()
        )  # CPython does not close a connection that it accepts in the iteration in which a port closes
        with suppress(OSError, IndexError):  # the login was ended, and its port is closed
            callback = urlsplit(await served.fake.consent(await follow(url)))
            assert callback.port is not None
            await get(callback.port, f"{callback.path}?{callback.query}")

    async def open_browser(url: str) -> None:
        browsing.append(asyncio.create_task(browse(url)))

    browsing: list[asyncio.Task[None]] = []
    assert (await login_with_browser(served.site, open_browser=open_browser)).scopes == ("public",)


async def login_by_code(served: Served, _: object) -> None:
    async def ask(url: str) -> str:
        return query(await served.fake.consent(url))["code"]

    assert (await login_with_code(served.site, ask=ask)).scopes == ("public",)


async def login_by_code_in_a_thread(served: Served, code: str) -> None:
    # The code belongs to another login, so the exchange fails, but only after the thread has returned it.
    try:
        await login_with_code(served.site, ask=lambda _: code)
    except Exception as error:
        assert type(error).__name__ == "TokenRequestFailed"


async def some_code(served: Served) -> str:
    return "made-up-code"


# --- Cloud66OAuth2Client -------------------------------------------------------------------------


async def oauth_client(served: Served) -> Cloud66OAuth2Client:
    return served.oauth(token=served.fake.add_token().reveal())


async def separate_client(served: Served) -> Cloud66OAuth2Client:
    return served.oauth(token=served.fake.add_token().reveal(), transport=None)


async def oauth_get(served: Served, client: Cloud66OAuth2Client) -> None:
    response = await client.get(f"/stacks/{served.web.uid}.json")
    assert response.json()["response"]["uid"] == served.web.uid
    await client.ensure_active_token()


async def oauth_stream(served: Served, client: Cloud66OAuth2Client) -> None:
    async with client.stream("GET", "/stacks.json") as response:
        assert [part async for part in response.aiter_raw()]


async def oauth_stream_unread(served: Served, client: Cloud66OAuth2Client) -> None:
    async with client.stream("GET", "/stacks.json") as response:
        assert response.status_code == 200


async def oauth_redirect(served: Served, client: Cloud66OAuth2Client) -> None:
    url = f"{served.server.url}/none"  # not a consent page: the HTTP library logs whole URLs
    response = await client.request("GET", url, withhold_token=True, follow_redirects=True)
    assert response.status_code == 404


async def oauth_finish(served: Served, found: Pending) -> None:
    assert (await served.oauth().finish_login(*found)).scopes == ("public",)


async def oauth_fetch(served: Served, found: Pending) -> None:
    login, callback = found
    fetched = await served.oauth().fetch_token(
        authorization_response=callback, state=login.state, code_verifier=login.verifier
    )
    assert fetched["access_token"]


async def oauth_refresh(served: Served, client: Cloud66OAuth2Client) -> None:
    try:
        await client.refresh_token(refresh_token="made-up")
    except Exception as error:
        assert type(error).__name__ == "TokenRequestFailed"


async def oauth_revoke(served: Served, client: Cloud66OAuth2Client) -> None:
    await client.revoke()
    assert client.token is None


async def oauth_revoke_token(served: Served, client: Cloud66OAuth2Client) -> None:
    assert (await client.revoke_token()).status_code == 200


async def oauth_introspect(served: Served, client: Cloud66OAuth2Client) -> None:
    await client.introspect_token(f"{served.server.url}/oauth/introspect")


async def oauth_close(served: Served, client: Cloud66OAuth2Client) -> None:
    await client.aclose()


async def used_client(served: Served) -> Cloud66OAuth2Client:
    client = await separate_client(served)
    await client.get("/stacks.json")
    return client


# --- token stores --------------------------------------------------------------------------------


async def use_store(served: Served, store: TokenStore) -> None:
    await store.save(TOKEN)
    assert await store.load() == TOKEN
    assert await store.delete()
    assert await store.load() is None


async def file_store(served: Served) -> FileStore:
    store = FileStore(served.folder / "store" / "logins.json")
    await store.save(Token("earlier"))  # waits for the thread of the run before, which cannot be cancelled
    assert {path.name for path in store.path.parent.iterdir()} <= {"logins.json", ".logins.json.lock"}
    return store


async def keyring_store(served: Served) -> KeyringStore:
    keyring.set_keyring(MemoryKeyring())
    return KeyringStore()


async def memory_store(served: Served) -> MemoryStore:
    return MemoryStore()


async def use_toolbelt(served: Served, _: object) -> None:
    store = ToolbeltStore(served.folder)
    assert await store.load() is None
    for change in (partial(store.save, TOKEN), store.delete):
        try:
            await change()
        except Exception as error:
            assert type(error).__name__ == "ConfigError"


# --- WebLogin ------------------------------------------------------------------------------------


async def visit(served: Served, _: object) -> None:
    login = web_login(served.fake, transport=None, url=served.server.url)
    async with login.lifespan():
        browser = Browser(make_app(login), served.fake)
        async with browser.http:
            assert (await browser.get("/stacks")).status_code == 303
            callback = await served.fake.consent(await browser.start_login())
            cookies = dict(browser.http.cookies)
            for _ in range(2):  # a callback that arrives again leads to the same session
                browser.http.cookies.update(cookies)
                assert (await browser.get(callback)).status_code == 303
            assert browser.session is not None
            for path in ("/stacks", "/api/stacks"):
                assert (await browser.get(path)).status_code == 200
            assert (await browser.post("/logout", headers={"origin": "https://dash.example"})).status_code == 303


async def use_sessions(served: Served, _: object) -> None:
    sessions = MemorySessions(clock=served.fake.clock)
    await sessions.save("key", TOKEN, timedelta(hours=1))
    await sessions.delete("key")
    assert await sessions.load("key") is None


def use(run: Any, prepare: Any = None) -> Use:
    def started(served: Served, prepared: Any) -> Coroutine[Any, Any, object]:
        return run(served, prepared)  # type: ignore[no-any-return]

    return Use(started, prepare)


LOGINS: dict[str, Use] = {
    "finish_login": use(finish_login, pending),
    "revoke": use(revoke),
    "login_with_browser": use(login_in_browser),
    "login_with_code": use(login_by_code),
    "login_with_code in a thread": use(login_by_code_in_a_thread, some_code),
    "oauth.get": use(oauth_get, oauth_client),
    "oauth.get, separate pool": use(oauth_get, separate_client),
    "oauth.stream": use(oauth_stream, oauth_client),
    "oauth.stream, unread": use(oauth_stream_unread, separate_client),
    "oauth.get with redirects": use(oauth_redirect, separate_client),
    "oauth.finish_login": use(oauth_finish, pending),
    "oauth.fetch_token": use(oauth_fetch, pending),
    "oauth.refresh_token": use(oauth_refresh, oauth_client),
    "oauth.revoke": use(oauth_revoke, oauth_client),
    "oauth.revoke_token": use(oauth_revoke_token, oauth_client),
    "oauth.introspect_token": use(oauth_introspect, oauth_client),
    "oauth.aclose": use(oauth_close, used_client),
    "FileStore": use(use_store, file_store),
    "KeyringStore": use(use_store, keyring_store),
    "MemoryStore": use(use_store, memory_store),
    "ToolbeltStore": use(use_toolbelt),
    "WebLogin": use(visit),
    "MemorySessions": use(use_sessions),
}
"""Uses of logins."""
