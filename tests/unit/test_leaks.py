"""The check for leaked secrets, with planted leaks that it must find."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import BadRequest, Cloud66, ConfigError, LoginError
from cloud66_async._http.library import httpx
from cloud66_async.oauth import Cloud66OAuth2Client

from ..leaks import LeakCheck

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests import leaks

leaks._OTHERS = (*leaks._OTHERS, "test_planted")

def pytest_configure(config):
    config.pluginmanager.register(leaks.LeakCheck(frames=True))
"""

# What the code of the package could do. `run` executes it as a module of the package.
PLANTED = '''
import logging, secrets
import pytest
from cloud66_async import Cloud66Error, ConfigError, Secret, Token
from cloud66_async.sandbox import FakeCloud66

def run(code, **names):
    exec(code, {"__name__": "cloud66_async.planted", "logging": logging, "ConfigError": ConfigError, **names})

FAIL = """
def fail(token):
    text = token.reveal()
    raise ConfigError("no reason")
fail(token)
"""

@pytest.fixture
def token():
    return FakeCloud66().add_token()

def test_leak_in_a_record(token):
    logging.getLogger("cloud66_async").debug("sending %s", token.reveal())

def test_leak_in_an_unused_argument(token):
    logging.getLogger("cloud66_async.web").debug({"a": "sent"}, {"token": token.reveal()})

def test_leak_in_an_attribute_of_a_record(token):
    logging.getLogger("cloud66_async").debug("sent", extra={"cloud66_token": token.reveal()})

def test_leak_by_a_library_that_the_package_calls(token):
    run("logging.getLogger('library').debug('header %s', token.reveal())", token=token)

def test_leak_in_the_frames_of_a_logged_error(token):
    run("""
try:
    (lambda text: 1 / 0)(token.reveal())
except ZeroDivisionError:
    logging.getLogger("cloud66_async").exception("failed")
""", token=token)

def test_leak_in_the_frames_of_an_error(token):
    with pytest.raises(ConfigError):
        run(FAIL, token=token)

def test_leak_in_the_cause_of_an_error(token):
    with pytest.raises(ConfigError):
        try:
            run(FAIL, token=token)
        except ConfigError as error:
            raise ConfigError("another reason") from error

def test_leak_in_the_text_of_an_error(token):
    with pytest.raises(ConfigError):
        run("raise ConfigError(f'unknown token {token.reveal()}')", token=token)

def test_leak_in_a_member_of_a_group(token):
    with pytest.raises(ExceptionGroup):
        try:
            run(FAIL, token=token)
        except ConfigError as error:
            raise ExceptionGroup("several", [error]) from None

def test_leak_in_a_note(token):
    with pytest.raises(ConfigError):
        run("""
error = ConfigError("no reason")
error.add_note("token " + token.reveal())
raise error
""", token=token)

def test_leak_beside_a_scope(token):
    with pytest.raises(ConfigError):
        run("""
def fail(scope):
    cookie = scope["headers"][0][1]
    raise ConfigError("no reason")
fail({"asgi": {}, "headers": [(b"cookie", token.reveal().encode())]})
""", token=token)

def test_leak_of_a_random_text():
    logging.getLogger("cloud66_async").debug("state %s", secrets.token_urlsafe(32))

def test_leak_of_a_secret():
    logging.getLogger("cloud66_async").debug("hook %s", Secret("hook-of-a-stack").reveal())

@pytest.fixture
def ending(token):
    yield
    logging.getLogger("cloud66_async").debug("closed %s", token.reveal())

def test_leak_in_the_teardown_of_a_fixture(ending):
    pass

@pytest.fixture(scope="module")
def lasting():
    return FakeCloud66().add_token().reveal()

def test_clean_use_of_a_lasting_secret(lasting):
    pass

def test_leak_of_a_lasting_secret(lasting):
    logging.getLogger("cloud66_async").debug("sending %s", lasting)

def test_clean_record(token):
    logging.getLogger("cloud66_async").debug("sending %s", token)

def test_clean_record_of_a_test(token):
    logging.getLogger("library").debug("sending %s", token.reveal())

def test_clean_error(token):
    with pytest.raises(ConfigError):
        run("raise ConfigError('no reason')", token=token)

def test_clean_scope_of_a_request(token):
    with pytest.raises(ConfigError):
        run("""
def fail(scope):
    raise ConfigError("no reason")
fail({"asgi": {}, "headers": [(b"cookie", token.reveal().encode())]})
""", token=token)

def test_clean_error_whose_context_is_hidden(token):
    with pytest.raises(ConfigError):
        try:
            run(FAIL, token=token)
        except ConfigError:
            raise ConfigError("another reason") from None

def test_clean_use_of_a_secret_that_another_test_planted():
    logging.getLogger("cloud66_async").debug("hook-of-a-stack")

def test_clean_view_of_the_log(caplog):
    logging.getLogger("cloud66_async").info("not shown")
    logging.getLogger("cloud66_async").warning("shown")
    assert caplog.messages == ["shown"]
    with caplog.at_level(logging.INFO):
        logging.getLogger("cloud66_async").info("shown")
    assert caplog.messages == ["shown", "shown"]

def test_clean_signature():
    import inspect
    assert list(inspect.signature(Token).parameters) == ["text", "scopes", "expires_at"]
    assert list(inspect.signature(Secret).parameters) == ["text"]

def test_clean_levels():
    logging.getLogger("cloud66_async").setLevel(logging.ERROR)
    logging.getLogger("cloud66_async").addHandler(logging.NullHandler())

def test_clean_levels_are_restored():
    assert logging.getLogger("cloud66_async").level == logging.NOTSET
    assert logging.getLogger("cloud66_async").handlers == []
'''


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The outcomes of each planted test: that of the test, and `ERROR` if the check failed it afterwards."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_planted.py").write_text(PLANTED)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:randomly", str(folder)]
    command += ["--rootdir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
    found: dict[str, list[str]] = {}
    for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)", done.stdout, re.MULTILINE):
        found.setdefault(name, []).append(outcome)
    assert found, done.stdout + done.stderr
    return found


NAMES = re.findall(r"^def (test_\w+)", PLANTED, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("test_leak_")])
def test_leak_is_found(name: str, outcomes: dict[str, list[str]]) -> None:
    assert sorted(outcomes[name]) == ["ERROR", "PASSED"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("test_clean_")])
def test_nothing_else_is_reported(name: str, outcomes: dict[str, list[str]]) -> None:
    assert outcomes[name] == ["PASSED"]


def test_every_planted_test_ran(outcomes: dict[str, list[str]]) -> None:
    assert set(outcomes) == set(NAMES)


def test_every_test_is_checked_with_frames(pytestconfig: pytest.Config) -> None:
    check = pytestconfig.pluginmanager.get_plugin("leaks")
    assert isinstance(check, LeakCheck)
    assert check.searches_frames


# Errors whose frames held secrets. The check fails these tests if they do again.
CLIENT_SECRET = "secret of the application"
USER_TOKEN = "a1b2c3d4e5f6-token-of-a-user"
CALLBACK_CODE = "code-8d1f7c3a"
DEVICE_TOKEN = "device/5f0e8a2b41"


@pytest.mark.parametrize(
    ("token", "options"),
    [
        (USER_TOKEN, {"url": "http://example.com"}),
        ({"access_token": USER_TOKEN}, {"timeout": -1.0}),
        ({"access_token": USER_TOKEN, "token_type": "mac"}, {}),
        ({"refresh_token": USER_TOKEN}, {}),
    ],
)
def test_invalid_arguments_of_the_oauth_client_leave_no_secret(token: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client("client", CLIENT_SECRET, token=token, **options)


async def test_login_of_another_server_leaves_no_code() -> None:
    other = Cloud66OAuth2Client("client", url="https://other.example.com", redirect_url="https://example.com/callback")
    client = Cloud66OAuth2Client("client", redirect_url="https://example.com/callback")
    login = other.login()
    with pytest.raises(LoginError, match="was not started at"):
        await client.finish_login(login, {"code": CALLBACK_CODE, "state": login.state})


async def test_failed_request_leaves_no_secret_of_its_json() -> None:
    async with Cloud66(USER_TOKEN, transport=httpx.MockTransport(lambda _: httpx.Response(422))) as c66:
        with pytest.raises(BadRequest):
            await c66.request("POST", "/x.json", json={"key": CLIENT_SECRET}, query={"key": CALLBACK_CODE})
        with pytest.raises(BadRequest):
            async with c66.stream("POST", "/x.json", json={"key": CLIENT_SECRET}):
                pass


async def test_secret_of_a_path_is_masked_where_the_server_repeats_it() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        sent = request.url.raw_path.decode()
        return httpx.Response(422, json={"error": "invalid", "details": f"no device {DEVICE_TOKEN} at {sent}"})

    async with Cloud66(USER_TOKEN, transport=httpx.MockTransport(answer)) as c66:
        with pytest.raises(BadRequest, match=r"no device \*{8} at .*/devices/\*{8}") as caught:
            await c66.devices.delete(1, DEVICE_TOKEN)
    assert DEVICE_TOKEN not in f"{caught.value!r} {caught.value.details}"
