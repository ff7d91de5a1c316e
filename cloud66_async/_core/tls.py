"""The TLS context of the process: TLS 1.2 or newer, and the system's CA certificates."""

from __future__ import annotations

import os
import re
import ssl
from concurrent.futures import Future
from threading import Lock, Thread

__all__ = ["create_context", "shared_context", "start_loading"]

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+").fullmatch

_context: Future[ssl.SSLContext] | None = None
_lock = Lock()


def start_loading() -> Future[ssl.SSLContext]:
    """Return the context, which a background thread creates on the first call.

    Loading the CA certificates takes about 20 ms and releases the GIL, so call this early. A failure is not cached.
    """
    global _context  # noqa: PLW0603
    with _lock:
        if _context is None or (_context.done() and _context.exception() is not None):
            loading: Future[ssl.SSLContext] = Future()
            loading.set_running_or_notify_cancel()  # from now on, no waiting task can cancel it
            # Not a daemon thread: the interpreter must not shut down OpenSSL while the thread uses it.
            Thread(target=_load, args=(loading,), name="cloud66-tls").start()
            _context = loading
        return _context


def shared_context() -> ssl.SSLContext:
    """Wait for the context and return it."""
    return start_loading().result()


def _load(loading: Future[ssl.SSLContext]) -> None:
    try:
        loading.set_result(create_context())
    except BaseException as error:  # noqa: BLE001  raised in every waiting task
        loading.set_exception(error)


def create_context() -> ssl.SSLContext:
    """Return a new context. Takes about 20 ms.

    If the system has no usable CA certificates and certifi is installed, certifi's are loaded.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not _has_certificates(context):
        try:
            import certifi
        except ImportError:
            pass
        else:
            context.load_verify_locations(certifi.where())
    return context


def _has_certificates(context: ssl.SSLContext) -> bool:
    # OpenSSL reads files with hashed names from this folder on demand, so they are not counted below.
    folder = ssl.get_default_verify_paths().capath
    if folder and any(map(_HASHED_NAME, os.listdir(folder))):  # noqa: PTH208  importing pathlib takes a millisecond
        return True
    return context.cert_store_stats()["x509_ca"] > 0


def _before_fork() -> None:
    """Wait until the context is loaded: a child forked while OpenSSL holds a lock could never use TLS."""
    _lock.acquire()
    if _context is not None:
        _context.exception()


def _after_fork() -> None:
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
