"""The one TLS context of the process: TLS 1.2 or newer, and the system's roots."""

from __future__ import annotations

import os
import ssl
from concurrent.futures import Future
from threading import Lock, Thread

__all__ = ["prepare", "shared_context"]

_context: Future[ssl.SSLContext] | None = None
_lock = Lock()


def prepare() -> Future[ssl.SSLContext]:
    """The context, which a thread makes from the first time that this is asked for.

    The roots take about 20 ms, without Python's lock: whoever asks as early as possible can go on meanwhile.
    A failure is not kept.
    """
    global _context  # noqa: PLW0603
    with _lock:
        if _context is None or (_context.done() and _context.exception() is not None):
            making: Future[ssl.SSLContext] = Future()
            making.set_running_or_notify_cancel()  # from now on nobody who waits can cancel it
            # Not a daemon: OpenSSL must not be taken down under it when the process ends.
            Thread(target=_make, args=(making,), name="cloud66-tls").start()
            _context = making
        return _context


def shared_context() -> ssl.SSLContext:
    """The context, as soon as it is made."""
    return prepare().result()


def _make(making: Future[ssl.SSLContext]) -> None:
    try:
        making.set_result(_make_context())
    except BaseException as error:  # noqa: BLE001  it belongs to those who wait
        making.set_exception(error)


def _make_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not _has_roots(context):
        try:
            import certifi
        except ImportError:
            pass
        else:
            context.load_verify_locations(certifi.where())
    return context


def _has_roots(context: ssl.SSLContext) -> bool:
    folder = ssl.get_default_verify_paths().capath  # read only as the need arises, so not counted below
    if folder and os.listdir(folder):  # noqa: PTH208  pathlib takes a millisecond to import
        return True
    return context.cert_store_stats()["x509_ca"] > 0


def _before_fork() -> None:
    """Wait for what is under way: a child that begins with OpenSSL's locks taken could never use TLS."""
    _lock.acquire()
    if _context is not None:
        _context.exception()


def _after_fork() -> None:
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
