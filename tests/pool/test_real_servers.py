"""The same requests to widely used servers, through the HTTP library's own transport and through the pool."""

from __future__ import annotations

import asyncio
import getpass
import grp
import importlib.util
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async._http.library import httpx
from cloud66_async.pool import Origin, Pool

from .servers import request_headers
from .test_connector import closed_port

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
VOLATILE = {"date", "connection", "keep-alive"}
BIG = b"0123456789abcdef" * 20_000


class Running(NamedTuple):
    url: str
    origin: Origin


class Sent(NamedTuple):
    method: str
    path: str
    headers: dict[str, str] = {}  # noqa: RUF012
    body: bytes | None = None
    streamed: bool = False


COMMON = [
    *(Sent("GET", path) for path in ("/plain", "/empty", "/chunked", "/missing", "/broken", "/moved")),
    *(Sent("HEAD", path) for path in ("/plain", "/empty", "/chunked", "/missing", "/broken", "/moved")),
    Sent("GET", "/nothing"),
    Sent("GET", "/big"),
    Sent("POST", "/echo?a=1&b=%20x", body=b"body"),
    Sent("PUT", "/echo", body=BIG),
    Sent("PATCH", "/echo", body=b""),
    Sent("DELETE", "/echo?c"),
    Sent("POST", "/echo", body=BIG, streamed=True),
    Sent("POST", "/echo", body=b"small", streamed=True),
    Sent("GET", "/plain", {"Connection": "close"}),
]  # fmt: skip
NODE = [*COMMON, *(Sent("GET", path) for path in ("/gzip", "/deflate", "/trailers", "/hints", "/closing"))]
NGINX = [
    *(Sent("GET", path) for path in ("/small.json", "/large.json", "/none", "/folder", "/teapot")),
    *(Sent("HEAD", path) for path in ("/small.json", "/large.json", "/none", "/folder", "/teapot")),
    Sent("GET", "/large.json", {"Range": "bytes=100-199"}),
    Sent("GET", "/large.json", {"Accept-Encoding": "identity"}),
    Sent("GET", "/small.json", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    Sent("GET", "/small.json", {"If-None-Match": "*"}),
    Sent("POST", "/small.json", body=b"not allowed"),
    Sent("POST", "/limited", body=b"x" * 50_000),
    Sent("DELETE", "/small.json"),
    Sent("GET", "/small.json", {"X-Long": "a" * 7000}),
    Sent("GET", "/small.json", {"X-Long": "a" * 60_000}),
]  # fmt: skip
HTTPBIN = [
    *(Sent(method, "/anything?a=1", body=b'{"a": 1}') for method in ("POST", "PUT", "PATCH", "DELETE")),
    *(Sent("GET", path) for path in (
        "/get", "/gzip", "/deflate", "/encoding/utf8", "/html", "/json", "/xml", "/image/png",
        "/stream/20", "/drip?duration=0&numbytes=20", "/links/3/1",
        "/response-headers?X-A=1&X-A=2", "/cookies/set?a=1", "/redirect-to?url=/get", "/etag/abc",
        "/range/1000", "/basic-auth/a/b", "/bearer", "/robots.txt", "/deny", "/headers", "/user-agent",
    )),
    *(Sent("GET", f"/status/{status}") for status in (200, 201, 204, 301, 304, 400, 401, 404, 418, 429, 500, 503)),
    Sent("HEAD", "/get"),
    Sent("OPTIONS", "/get"),
]  # fmt: skip


@contextmanager
def running(command: list[str], port: int, *, tls: bool = False) -> Generator[Running, None, None]:
    """Run a server process that accepts connections."""
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{command[0]} did not start")
                time.sleep(0.02)
        yield Running(f"http{'s' if tls else ''}://127.0.0.1:{port}", Origin("127.0.0.1", port, tls))
    finally:
        process.terminate()
        process.wait(60)


def require(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[Running]:
    require("uvicorn")
    port = closed_port()
    command = [sys.executable, "-m", "uvicorn", "asgi_app:application", "--port", str(port)]
    with running(command, port) as server:
        yield server


@pytest.fixture(scope="module")
def hypercorn() -> Iterator[Running]:
    require("hypercorn")
    port = closed_port()
    with running(
        [sys.executable, "-m", "hypercorn", "asgi_app:application", "-b", f"127.0.0.1:{port}"], port
    ) as server:
        yield server


@pytest.fixture(scope="module")
def node() -> Iterator[Running]:
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed")
    port = closed_port()
    with running([program, "node_app.js", str(port)], port) as server:
        yield server


@pytest.fixture(scope="module")
def httpbin() -> Iterator[Running]:
    require("httpbin")
    port = closed_port()
    serving = (
        "from werkzeug.serving import run_simple, WSGIRequestHandler as H; from httpbin import app; "
        f"H.protocol_version = 'HTTP/1.1'; run_simple('127.0.0.1', {port}, app, threaded=True)"
    )
    with running([sys.executable, "-c", serving], port) as server:
        yield server


def nginx_configuration(folder: Path, port: int, secure_port: int) -> str:
    user = f"user {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};" if os.getuid() == 0 else ""
    temporary = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
        {user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
        events {{ worker_connections 256; }}
        http {{
            access_log off; {temporary} types {{ application/json json; }}
            gzip on; gzip_types application/json; gzip_min_length 1000;
            server {{
                listen 127.0.0.1:{port}; listen 127.0.0.1:{secure_port} ssl; root {folder}/files;
                ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;
                keepalive_requests 7;
                location /teapot {{ return 418 "short and stout"; }}
                location /limited {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:9; }}
            }}
        }}
    """


@pytest.fixture(scope="module", params=["plain", "tls"])
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[Running]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    files = folder / "files"
    (files / "folder").mkdir(parents=True)
    (files / "small.json").write_text('{"response": {}}')
    (files / "large.json").write_bytes(b'{"response": "' + BIG + b'"}')
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / "chain.pem"), append=True)
    port, secure_port = closed_port(), closed_port()
    (folder / "nginx.conf").write_text(nginx_configuration(folder, port, secure_port))
    tls = request.param == "tls"
    with running([program, "-c", str(folder / "nginx.conf")], secure_port if tls else port, tls=tls) as server:
        yield server


Outcome = tuple[object, ...]


async def outcome(client: httpx.AsyncClient, server: Running, sent: Sent) -> Outcome:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(sent.body or b""), 9000):
            yield (sent.body or b"")[start : start + 9000]

    client.cookies.clear()
    content = chunks() if sent.streamed else sent.body
    try:
        response = await client.request(sent.method, server.url + sent.path, headers=sent.headers, content=content)
    except httpx.HTTPError as error:
        return (type(error),)
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in VOLATILE]
    body = len(response.content), sha256(response.content).hexdigest()
    return response.status_code, response.reason_phrase, response.http_version, headers, body


async def compare(server: Running, requests: list[Sent], tls: ssl.SSLContext) -> Pool:
    """Compare the results of every request, sent one by one and concurrently."""
    pool = Pool(8, tls=tls)
    library = httpx.AsyncClient(verify=tls, trust_env=False)
    adapter = httpx.AsyncClient(transport=HttpxAdapter(pool), trust_env=False)
    async with library, adapter:
        expected = [await outcome(library, server, sent) for sent in requests]
        one_by_one = [await outcome(adapter, server, sent) for sent in requests]
        concurrently = await asyncio.gather(*(outcome(adapter, server, sent) for sent in requests))
    for sent, result, *pool_results in zip(requests, expected, one_by_one, concurrently, strict=True):
        assert pool_results == [result, result], sent
    return pool


async def test_uvicorn(uvicorn: Running, client_tls: ssl.SSLContext) -> None:
    pool = await compare(uvicorn, COMMON, client_tls)
    await pool.aclose()


async def test_hypercorn(hypercorn: Running, client_tls: ssl.SSLContext) -> None:
    pool = await compare(hypercorn, COMMON, client_tls)
    await pool.aclose()


async def test_node(node: Running, client_tls: ssl.SSLContext) -> None:
    pool = await compare(node, NODE, client_tls)
    assert (await pool.request(node.origin, "GET", request_headers(target="/gzip"))).body == b"plain" * 1000
    assert (await pool.request(node.origin, "GET", request_headers(target="/deflate"))).body == b"plain" * 1000
    await pool.aclose()


async def test_nginx(nginx: Running, client_tls: ssl.SSLContext) -> None:
    pool = await compare(nginx, NGINX, client_tls)
    headers = request_headers(target="/large.json").replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n")
    responses = await asyncio.gather(*(pool.request(nginx.origin, "GET", headers) for _ in range(50)))
    assert {response.header(b"content-encoding") for response in responses} == {b"gzip"}
    assert {response.body for response in responses} == {b'{"response": "' + BIG + b'"}'}
    await pool.aclose()


async def test_httpbin(httpbin: Running, client_tls: ssl.SSLContext) -> None:
    pool = await compare(httpbin, HTTPBIN, client_tls)
    await pool.aclose()
