"""The connections of downloads: apart from those of calls, through proxies, and as secure as the URL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloud66_async import Cloud66, ConfigError, errors
from cloud66_async._http.library import httpx

from ..conftest import PoolName
from ..support import ONCE, TOKEN, Script, client, make_response, packet, wire
from .storage import BODY, ETAG, TARGET, names, storage, whole


async def test_calls_do_not_wait_for_downloads(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, whole(cut=20_000), once=False, limit=1) as used:
        task = asyncio.create_task(used.download(tmp_path / "a"))
        while not used.files.received:
            await asyncio.sleep(0.001)
        for _ in range(3):
            await used.c66.backup_files.get("web", 7, "tar-aa")
        assert not task.done()
        task.cancel()
        await asyncio.wait((task,))


async def test_closed_client_ends_downloads(transport: PoolName, tmp_path: Path) -> None:
    async with storage(transport, whole(cut=20_000), once=False, retry=ONCE) as used:
        task = asyncio.create_task(used.download(tmp_path / "a"))
        while not (tmp_path / "a.part.json").exists():
            await asyncio.sleep(0.001)
        await used.c66.aclose()
        with pytest.raises((errors.TransportError, ConfigError)):
            async with asyncio.timeout(60):
                await task
        with pytest.raises(ConfigError, match="closed"):
            await used.download(tmp_path / "b")


async def test_proxy_of_the_environment_is_used_for_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire(lambda _: packet(b"", "403 Forbidden"), once=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with storage("own", whole(), url=f"https://storage.example.com{TARGET}", retry=ONCE) as used:
            with pytest.raises(errors.TransportError):
                await used.download(tmp_path / "a")
    assert [(each.method, each.target) for each in proxy.received] == [("CONNECT", "storage.example.com:443")]
    assert TOKEN not in repr(proxy.received)


async def test_transport_of_the_http_library_downloads_as_well(tmp_path: Path) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.host == "app.cloud66.com":
            return httpx.Response(200, json={"response": {"public_url": f"https://storage.example.com{TARGET}"}})
        assert "authorization" not in request.headers
        return httpx.Response(200, content=BODY, headers={"ETag": ETAG})

    async with Cloud66(TOKEN, transport=httpx.MockTransport(respond)) as c66:
        assert (await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")).size == len(BODY)


@pytest.mark.parametrize("location", ["http://127.0.0.1/a", "http://storage.example.com/a"])
async def test_redirect_from_https_to_http_is_refused(location: str, tmp_path: Path) -> None:
    requested: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.host)
        if request.url.host == "app.cloud66.com":
            return httpx.Response(200, json={"response": {"public_url": f"https://storage.example.com{TARGET}"}})
        return httpx.Response(302, headers={"Location": location})

    async with Cloud66(TOKEN, transport=httpx.MockTransport(respond)) as c66:
        with pytest.raises(errors.ResponseError, match="insecure"):
            await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")
    assert requested == ["app.cloud66.com", "storage.example.com"]


async def test_transport_that_cannot_stream_is_reported(tmp_path: Path) -> None:
    script = Script(make_response({"response": {"public_url": f"https://storage.example.com{TARGET}"}}))
    async with client(script) as c66:
        with pytest.raises(ConfigError, match="cannot stream responses"):
            await c66.backup_files.download("web", 7, "tar-aa", tmp_path / "a")
    assert names(tmp_path) == []
