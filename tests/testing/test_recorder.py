"""The recorder, with the sandbox and a hostile server on a local port."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from cloud66_async import Cloud66, Cloud66Warning, Forbidden, NotFound, Retry, Throttled, TransportError
from cloud66_async.errors import ConfigError
from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.testing.recorder import Recorder, UnknownRequest
from cloud66_async.testing.redaction import _vocabulary

from ..support import ONCE, ReceivedRequest, Script, make_error, make_response, packet, wire

TOKEN = "c66TokenOfTheUser_0123456789-abcdefghijklmn"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "test.json"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66()) as running:
        running.fake.add_stack("web")
        running.fake.add_stack("api", environment="staging")
        yield running


@asynccontextmanager
async def recorded(server: SandboxServer, path: Path, **options: Any) -> AsyncGenerator[Cloud66]:
    """A client of the sandbox whose exchanges are recorded."""
    recorder = Recorder(path, mode="record", url=server.url, **options)
    async with Cloud66(server.fake.add_token(), transport=recorder, url=server.url) as c66:
        yield c66


def replayed(path: Path, **options: Any) -> Cloud66:
    return Cloud66("none", transport=Recorder(path, mode="replay"), **options)


async def story(c66: Cloud66, uid: str) -> list[str]:
    """Use a client, and return what does not depend on a placeholder."""
    seen = [f"{stack.environment} {stack.health}" for stack in await c66.stacks.list()]
    listed = await c66.stacks.list()
    for stack in listed:
        seen.append(f"{(await c66.stacks.get(stack.uid)).framework}")
        seen.extend(f"{server.distro} {server.region}" for server in await c66.servers.list(stack.uid))
    await c66.environment_variables.create(uid, "PLANTED_URL", value="postgres://user:hunter2@db.internal.example/web")
    with pytest.raises(NotFound):
        await c66.stacks.get("unknown")
    return [*seen, str(len(await c66.environment_variables.list(uid)))]


async def test_replay_gives_the_same_results_without_a_server(server: SandboxServer, path: Path) -> None:
    uid = next(iter(server.fake.world.stacks))
    async with recorded(server, path) as c66:
        first = await story(c66, uid)
    server.stop()
    async with replayed(path, url=server.url) as c66:
        assert await story(c66, uid) == first
    assert len(first) > 6


async def test_auto_records_once(server: SandboxServer, path: Path) -> None:
    for recording in (True, False):
        recorder = Recorder(path, url=server.url)
        assert recorder.recording is recording
        async with Cloud66(server.fake.add_token(), transport=recorder, url=server.url) as c66:
            assert len(await c66.stacks.list()) == 2
    assert server.request_count == 1


async def test_recording_is_the_same_each_time_and_only_for_its_owner(path: Path) -> None:
    contents: list[bytes] = []
    for _ in range(2):
        with SandboxServer(FakeCloud66()) as server:
            server.fake.add_stack("web")
            async with recorded(server, path) as c66:
                (stack,) = await c66.stacks.list()
                await c66.servers.list(stack.uid)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert contents[0].count(b"\n") > 100  # one line for each value
    assert contents[0].endswith(b"}\n")


# --- secrets -------------------------------------------------------------------------------------

MARKS = re.compile(r"planted|hush|c0ffee|203\.0\.|2001:db8:[0-9a-f]+:|BEGIN|Bearer", re.IGNORECASE)
_PEM = "-----BEGIN PRIVATE KEY-----\nMIIplanted\n-----END PRIVATE KEY-----\n"


def planted(number: int) -> list[str]:
    """Return one secret of every kind. MARKS finds each of them."""
    return [
        f"planted-{number}-".ljust(43, "x"),
        f"{number:x}c0ffee".rjust(64, "a"),
        f"Bearer planted-{number}",
        _PEM.replace("planted", f"planted{number}"),
        f"ada-{number}@planted.test",
        f"203.0.{number // 250 % 250}.{number % 250}",
        f"2001:db8:{number % 0xFFFF + 1:x}::7",
        f"db-{number}.planted.test",
        f"{number:x}c0ffee".rjust(32, "b"),
        f"https://planted-{number}.test/?signature=planted{number}",
        f"Ada Planted {number}, Main Street",
    ]


def object_with(secrets: list[str], number: int) -> dict[str, Any]:
    """Return an object with every field of the API, in which these secrets are planted."""
    found: dict[str, Any] = {}
    for index, name in enumerate(sorted(_vocabulary().names)):
        kinds = planted(number * 1000 + index)[:-1]  # a plain text may stay in fields such as `region`
        found[name] = [kinds[(number + index) % len(kinds)], None, 7, True]  # in other operations, another kind
    found |= {name: f"hush-{number}-{name}" for name in _vocabulary().secrets}
    return found | {
        "unknown_password": f"hush-{number}-unknown",
        "texts": secrets,
        secrets[4]: {secrets[7]: secrets[8]},
    }


def evil(received: ReceivedRequest) -> bytes:
    """Repeat everything that was received, and plant secrets in the headers and in every field."""
    number = int(received.headers["x-number"])
    secrets = planted(number)
    token = received.headers["authorization"].removeprefix("Bearer ")
    body = {
        "response": object_with(secrets, number),
        "error_description": f"{token} {received.target}",
        "details": token,
    }
    headers = [f"X-Planted: {secrets[0]}", f"Set-Cookie: a={secrets[0]}", f"Retry-After: {secrets[0]}"]
    headers += [f'WWW-Authenticate: Bearer error="{secrets[0]}"', f"Content-Type: application/json; a={secrets[1]}"]
    return packet(json.dumps(body).encode(), "200 OK", *headers)


@pytest.mark.slow
async def test_no_planted_secret_of_any_operation_is_in_the_recording(path: Path) -> None:
    every = [operation for _, operation in operations()]
    async with wire(evil) as running:
        recorder = Recorder(path, url=running.url)
        async with Cloud66(TOKEN, transport=recorder, url=running.url, retry=ONCE) as c66:
            for number, operation in enumerate(every):
                secrets = planted(number)
                target = re.sub(r"\{\w+\}", secrets[8], operation.path)
                body = None if operation.method == "GET" else object_with(secrets, number)
                await c66.request(
                    operation.method,
                    target,
                    json=body,
                    query={"name": secrets[4], "unknown": secrets[0]},
                    headers={"X-Number": str(number)},
                )
    content = path.read_text("utf-8")
    assert content.count('"method"') == len(every) >= 155
    assert MARKS.findall(content) == []
    assert TOKEN not in content


def test_marks_find_every_planted_secret() -> None:
    assert [secret for secret in planted(5) if MARKS.search(secret) is None] == []


async def test_same_value_has_the_same_placeholder_everywhere(path: Path) -> None:
    secret = "hunter2-hunter2"
    replies = [{"uid": "a" * 32, "name": secret, "redeploy_hook": secret}, {"uid": "b" * 32, "name": "a" * 32}]
    script = Script(*(make_response({"response": reply}) for reply in replies))
    async with Cloud66(TOKEN, transport=Recorder(path, transport=script)) as c66:
        await c66.stacks.get("a" * 32)
        await c66.stacks.get("b" * 32)
    first, second = json.loads(path.read_text("utf-8"))["exchanges"]
    found = first["response"]["body"]["response"]
    assert found["name"] == found["redeploy_hook"] == "secret-1"
    assert first["request"]["target"] == f"/api/3/stacks/{found['uid']}.json"
    assert (
        second["response"]["body"]["response"]["name"] == found["uid"] != second["response"]["body"]["response"]["uid"]
    )
    assert secret not in path.read_text("utf-8")


KEPT = {
    "token": TOKEN,
    "hexadecimal token": "a1" * 32,
    "private key": _PEM,
    "header": "Authorization: Bearer abc",
}


@pytest.mark.parametrize("name", KEPT)
async def test_what_looks_like_a_token_is_not_written(path: Path, name: str) -> None:
    script = Script(make_response({"response": {"uid": "a", "name": f"is {KEPT[name]}"}}))
    c66 = Cloud66("another", transport=Recorder(path, transport=script, keep=["name"]))
    await c66.stacks.get("a")
    with pytest.raises(
        ConfigError, match=r"response\.body\.response\.name of a GET request\): it looks like a"
    ) as caught:
        await c66.aclose()
    assert KEPT[name] not in str(caught.value)
    assert not path.exists()


async def test_fields_that_are_kept_lose_what_is_known_to_be_secret(path: Path) -> None:
    text = "web of ada@planted.test at 203.0.113.9 (db.planted.test), hunter2-hunter2, " + "c" * 32
    script = Script(make_response({"response": {"uid": "a", "name": text, "redeploy_hook": "hunter2-hunter2"}}))
    async with Cloud66(TOKEN, transport=Recorder(path, transport=script, keep=["name"])) as c66:
        await c66.stacks.get("a")
    name = json.loads(path.read_text("utf-8"))["exchanges"][0]["response"]["body"]["response"]["name"]
    assert name == f"web of user-1@example.com at 198.18.0.1 (host-1.example), secret-1, {1:032x}"


# --- replay --------------------------------------------------------------------------------------


async def test_unknown_request_names_the_nearest_and_is_not_hidden_by_error_handling(
    server: SandboxServer, path: Path
) -> None:
    uid, other = server.fake.world.stacks
    async with recorded(server, path) as c66:
        await c66.stacks.get(uid)
        await c66.servers.list(uid)
    async with replayed(path) as c66:
        with pytest.raises(UnknownRequest, match=r"cannot replay POST /api/3/stacks/\w+/deployments.json") as caught:
            await c66.stacks.redeploy(uid)
        assert f"GET /api/3/stacks/{1:032x}/servers.json?page=1 (another target)" in str(caught.value)
        await c66.stacks.get(uid)
        with pytest.raises(UnknownRequest, match="already used"):
            await c66.stacks.get(uid)
        with pytest.raises(UnknownRequest):
            await c66.servers.list(other)  # the placeholder stands for `uid`
        await c66.servers.list(uid)


async def test_order_of_requests_may_differ(server: SandboxServer, path: Path) -> None:
    async with recorded(server, path) as c66:
        for stack in await c66.stacks.list():
            await c66.stacks.get(stack.uid)
    async with replayed(path) as c66:
        for stack in reversed(await c66.stacks.list()):
            assert (await c66.stacks.get(stack.uid)).name == stack.name


async def test_exchanges_that_were_not_replayed_are_reported(server: SandboxServer, path: Path) -> None:
    uid = next(iter(server.fake.world.stacks))
    async with recorded(server, path) as c66:
        await c66.stacks.get(uid)
        await c66.servers.list(uid)
    recorder = Recorder(path, mode="replay")
    with pytest.warns(Cloud66Warning, match=r"not replayed: GET /api/3/stacks/\w+/servers.json\?page=1; record"):
        async with Cloud66("none", transport=recorder) as c66:
            await c66.stacks.get(uid)
    assert recorder.unused == (f"GET /api/3/stacks/{1:032x}/servers.json?page=1",)


async def test_another_body_or_account_is_another_request(server: SandboxServer, path: Path) -> None:
    uid = next(iter(server.fake.world.stacks))
    async with recorded(server, path) as c66:
        await c66.using(account=1).environment_variables.create(uid, "A", value="hush", apply_strategy="deployment")
    c66 = replayed(path)
    variables = c66.using(account=1).environment_variables
    with pytest.raises(UnknownRequest, match="another account"):
        await c66.environment_variables.create(uid, "A", value="hush", apply_strategy="deployment")
    with pytest.raises(UnknownRequest, match="another body"):
        await variables.create(uid, "A", value="hush", apply_strategy="immediately")
    with pytest.raises(UnknownRequest, match="another body"):
        await variables.create(
            uid, "A", value="A", apply_strategy="deployment"
        )  # two placeholders, so not the same value
    await variables.create(uid, "B", value="any other value", apply_strategy="deployment")
    await c66.aclose()


async def test_message_does_not_contain_a_secret_of_the_path(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"version": 1, "exchanges": []}', "utf-8")
    async with replayed(path) as c66:
        operation = next(found for _, found in operations() if found.secrets)
        values = {name: 7 if name in operation.integers else "hush" for name in operation.names}
        with pytest.raises(UnknownRequest, match="nothing was recorded") as caught:
            await c66.send(operation.bind(**values))
    assert "hush" not in str(caught.value)


async def test_errors_are_replayed_as_they_were(server: SandboxServer, path: Path) -> None:
    server.fake.faults.throttle(retry_after=1)
    token = server.fake.add_token(scopes=["public"])
    for mode in ("record", "replay"):
        recorder = Recorder(path, mode=cast("Any", mode), url=server.url)
        async with Cloud66(token, url=server.url, transport=recorder, retry=ONCE) as c66:
            with pytest.raises(Throttled):
                await c66.stacks.list()
            with pytest.raises(Forbidden) as caught:
                await c66.users.list()
        assert (caught.value.scope, caught.value.code) == ("users", "forbidden")


async def test_failed_request_is_not_recorded(path: Path) -> None:
    script = Script(TransportError("no connection", sent=False), make_error(404, "not_found"))
    recorder = Recorder(path, transport=script)
    async with Cloud66(TOKEN, transport=recorder, retry=Retry(attempts=2, base=0.001)) as c66:
        with pytest.raises(NotFound):
            await c66.stacks.get("a")
    assert len(json.loads(path.read_text("utf-8"))["exchanges"]) == 1


async def test_streams_cannot_be_recorded(path: Path) -> None:
    async with Cloud66(TOKEN, transport=Recorder(path, transport=Script())) as c66:
        with pytest.raises(ConfigError, match="cannot stream"):
            async with c66.stream("GET", "/stacks.json"):
                pass


async def test_logins_cannot_be_recorded(path: Path) -> None:
    script = Script()
    options: Any = {"client_id": "ID", "client_secret": "hush", "redirect_url": "https://app.example/callback"}
    async with Cloud66(transport=Recorder(path, transport=script), **options) as c66:
        login = c66.login()
        with pytest.raises(ConfigError, match="a login cannot be recorded"):
            await c66.finish_login(login, f"?code=abc&state={login.state}")
    assert script.requests == []


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 9}', '{"version": 1, "exchanges": [{}]}', "\0"])
def test_other_files_are_rejected(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        Recorder(path)


def test_invalid_settings(path: Path) -> None:
    with pytest.raises(ConfigError, match="run the test with mode='record'"):
        Recorder(path, mode="replay")
    with pytest.raises(ConfigError, match="invalid mode 'play'"):
        Recorder(path, mode=cast("Any", "play"))
    with pytest.raises(TypeError, match="expected a list of names"):
        Recorder(path, keep="name")


def test_repr(path: Path) -> None:
    assert repr(Recorder(path)) == f"<Recorder: records 0 exchanges, {path}>"


async def test_replay_takes_no_time(path: Path) -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    for mode in ("record", "replay"):
        recorder = Recorder(path, mode=mode, transport=fake.transport())
        async with asyncio.timeout(20), Cloud66(fake.add_token(), transport=recorder) as c66:
            assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
