"""A check of every test: no secret reaches a log record, or the frames of an error that leaves the package.

The planted secrets are what the tests use as secrets anyway: the text of every `Secret` and `Token`, every random text
of the module `secrets` (states, verifiers, codes and tokens of the sandbox), and the constants of test modules that are
named like secrets. Each test runs with logging at DEBUG. What the package logs, or lets a library log, is searched at
the end of the test. With `frames`, so are the local variables of errors that `pytest.raises` catches.

Not searched is what tests, the sandbox and its browser log themselves. Text of other processes is not seen.
"""

from __future__ import annotations

import logging
import re
import reprlib
import secrets
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, ClassVar

import pytest

from cloud66_async.secret import Secret
from cloud66_async.token import Token

__all__ = ["LeakCheck", "Planted"]

_MIN_LENGTH = 8  # shorter text, such as "token", appears in other text by chance
_MIN_KINDS = 5  # different characters
_MAX_SEARCHED = 200_000  # characters of log records in one test
_PACKAGE = "cloud66_async."
# Parts of the package that play the server, the user or the test.
_OTHERS = ("cloud66_async.sandbox", "cloud66_async.testing", "tests.")
# It hides every value that no operation declares in the sandbox's own log, such as the URL of a callback.
_MASKING = "cloud66_async.sandbox.description"
# Functions whose local variables are not searched, with the reason.
_HARMLESS = {
    "cloud66_async.oauth.login.start_login": "the state of a login that was not started",
    "cloud66_async.oauth.login.authorization_url": "the same: no browser has received the state",
    "cloud66_async.oauth.client.Cloud66OAuth2Client.create_authorization_url": "the same, as in Authlib",
    "authlib.oauth2.client.OAuth2Client.token": "a token that the caller's frame holds, too",
    "cloud66_async.oauth.blocking.start.<locals>.run": "a URL of this machine that works once",
}
_CONSTANT = re.compile(r"_?([A-Z]+_)*(TOKEN|SECRET|CODE|PASSWORD|HOOK|VERIFIER)")


class Planted:
    """Secrets, and the search for them."""

    def __init__(self) -> None:
        self.lasting = True
        self._texts: set[str] = set()
        self._temporary: list[str] = []

    def add(self, text: object) -> None:
        """Plant a secret. It is forgotten at the end of the test, except if `lasting` is set."""
        if not isinstance(text, str) or len(text) < _MIN_LENGTH or text.startswith("/") or len(set(text)) < _MIN_KINDS:
            return  # not a secret, but a path or an argument of a test
        if text not in self._texts:
            self._texts.add(text)
            if not self.lasting:
                self._temporary.append(text)

    def forget(self) -> None:
        """Forget the secrets of the test that has ended."""
        self._texts.difference_update(self._temporary)
        self._temporary.clear()

    def find(self, text: str) -> Iterator[str]:
        """Yield the surroundings of each secret in the text, with the secret marked."""
        for secret in self._texts if text else ():
            position = text.find(secret)
            if position >= 0:
                end = position + len(secret)
                yield f"{text[max(position - 200, 0) : position]}>>>{secret}<<<{text[end : end + 100]}"


class LeakCheck(logging.Handler):
    """Plugin of pytest and handler of the root logger."""

    def __init__(self, *, frames: bool = False) -> None:
        super().__init__()
        self.searches_frames = frames
        self.planted = Planted()
        self._lines: list[str] = []
        self._size = 0

    # --- what is planted

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Record secrets and logs from now on. Tests see the log as if the level of the root logger were WARNING."""
        for kind in (Secret, Token):
            _record_new(kind, self.planted)
        secrets.token_urlsafe = _recording(secrets.token_urlsafe, self.planted)
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        plugin: Any = session.config.pluginmanager.get_plugin("logging-plugin")
        for handler in (plugin.caplog_handler, plugin.report_handler):
            handler.setLevel(logging.WARNING)
        if self.searches_frames:
            _examine_caught_errors(self)

    def pytest_collection_finish(self) -> None:
        """Plant the constants of the tests."""
        for name, module in list(sys.modules.items()):
            if name.startswith("tests."):
                for constant, value in list(vars(module).items()):
                    if _CONSTANT.fullmatch(constant):
                        self.planted.add(value)

        self.planted.lasting = False

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Keep the secrets of fixtures that several tests share."""
        self.planted.lasting = fixturedef.scope != "function"
        try:
            return (yield)
        finally:
            self.planted.lasting = False

    # --- what is searched

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a record that the package is responsible for."""
        if self._size < _MAX_SEARCHED and (record.name.startswith("cloud66_async") or _is_ours(sys._getframe())):
            extra = [value for name, value in vars(record).items() if name.startswith("cloud66_")]
            self._keep(f"{record.name}: {record.getMessage()} {record.args!r} {extra!r}")
            if record.exc_info and record.exc_info[1] is not None:
                self.examine(record.exc_info[1])

    def examine(self, error: BaseException) -> None:
        """Keep the local variables of an error that the package raised, of its members, and of the errors behind it."""
        seen: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            current = waiting.pop()
            if current is None or id(current) in seen:
                continue
            seen.add(id(current))
            frames = list(_frames(current.__traceback__))
            if frames:
                self._keep(f"{current!r}: {current} {getattr(current, '__notes__', '')}")
                for frame in frames:
                    for name, value in frame.f_locals.items():
                        if not _is_scope(value):
                            self._keep(f"{name} in {_place(frame)}: {_shown(value)}")
            members: Sequence[BaseException] = getattr(current, "exceptions", ())  # of a group
            waiting += members
            waiting.append(current.__cause__ or (None if current.__suppress_context__ else current.__context__))

    def _keep(self, text: str) -> None:
        self._size += len(text)
        self._lines.append(text)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None]:
        """Fail the test if a secret was found, after all its fixtures have ended."""
        try:
            return (yield)
        finally:
            _restore(logging.getLogger("cloud66_async"))
            text, self._lines, self._size = "\n".join(self._lines), [], 0
            found = list(self.planted.find(text))
            self.planted.forget()
            if found:
                pytest.fail(f"a secret was logged, or is in the frames of an error:\n{found[0]}", pytrace=False)


def _restore(logger: logging.Logger) -> None:
    """Undo the configuration of a test, for example of an example of the documentation."""
    if logger.level != logging.NOTSET:
        logger.setLevel(logging.NOTSET)
    logger.handlers.clear()


def _record_new(kind: type[Secret], planted: Planted) -> None:
    """Plant the text of each new object. `__new__` has returned before `__init__` can raise: no frame remains."""

    def new(cls: type[Secret], text: object = None, *_: object, **__: object) -> Secret:
        if sys._getframe(1).f_globals.get("__name__") != _MASKING:
            planted.add(text)
        return object.__new__(cls)

    vars(new)["__wrapped__"] = kind.__init__  # for `inspect.signature`
    kind.__new__ = new  # type: ignore[assignment,method-assign]


def _recording(function: Callable[..., str], planted: Planted) -> Callable[..., str]:
    def record(nbytes: int | None = None) -> str:
        text = function(nbytes)
        planted.add(text)
        return text

    return record


def _examine_caught_errors(check: LeakCheck) -> None:
    original = pytest.RaisesExc.__exit__

    def leave(
        self: pytest.RaisesExc[Any],
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            check.examine(error)
        return original(self, kind, error, trace)

    pytest.RaisesExc.__exit__ = leave  # type: ignore[method-assign]


def _is_package(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name.startswith(_PACKAGE) and not name.startswith(_OTHERS)


def _is_ours(frame: FrameType | None) -> bool:
    """Return whether the package, and not a test or the sandbox, called what writes a log record."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(_OTHERS) and name != __name__:
            return False
        if name.startswith(_PACKAGE):
            return True
        frame = frame.f_back
    return False


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    """Yield the package's frames of a traceback and those below them, except those of tests and of the sandbox."""
    inside = False
    while trace is not None:
        frame = trace.tb_frame
        inside = inside or _is_package(frame)
        if inside and not frame.f_globals.get("__name__", "").startswith(_OTHERS) and _place(frame) not in _HARMLESS:
            yield frame
        trace = trace.tb_next


def _is_scope(value: object) -> bool:
    """Return whether this is the scope of an ASGI request. Every frame of the server and the framework has it."""
    return isinstance(value, dict) and "asgi" in value and "headers" in value


def _place(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


class _Repr(reprlib.Repr):
    """Bounded representation of a variable."""

    limits: ClassVar = {"maxlist": 50, "maxtuple": 50, "maxdict": 50, "maxset": 50, "maxstring": 5000, "maxother": 5000}

    def __init__(self) -> None:
        super().__init__()
        vars(self).update(self.limits)


_shown = _Repr().repr
