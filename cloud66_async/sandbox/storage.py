"""The storage of the sandbox: a server for files with signed URLs, like those that hold the backups of a stack."""

from __future__ import annotations

import hmac
import random
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from .message import Reply, Request
from .samples import sample_hash

__all__ = ["PREFIX", "SIZE", "content", "sign", "storage_reply"]

PREFIX: Final = "/storage/"
SIZE: Final = 200_000
"""Size of every file in bytes."""

_LIFETIME: Final = timedelta(minutes=15)
_DEFAULT_URL: Final = "https://storage.cloud66.example.com"
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})").fullmatch


def sign(request: Request, path: str, now: datetime) -> str:
    """Return a URL of the file at `path` that works for 15 minutes.

    It leads to the server that received `request`. The signature is encoded twice, as the API encodes it.
    """
    base = request.base or _DEFAULT_URL  # without a base, the request was made in this process, where every URL works
    target, expires = f"{PREFIX}{quote(path)}", int((now + _LIFETIME).timestamp())
    return f"{base}{target}?expires={expires}&signature={quote(quote(_signature(target, str(expires)), safe=''))}"


def storage_reply(request: Request, now: datetime) -> Reply:
    """Return the response of the storage: the file, a part of it, or an error."""
    if request.method != "GET":
        return _error(405, "MethodNotAllowed")
    if "authorization" in request.headers:
        return _error(400, "InvalidArgument")  # as real storage does: the signature is the only authentication
    given = dict(request.query)
    expires = given.get("expires", "")
    signature = _signature(request.path, expires)
    if not hmac.compare_digest(given.get("signature", "").encode(), signature.encode()):
        return _error(403, "SignatureDoesNotMatch")
    if int(expires) < now.timestamp():
        return _error(403, "AccessDenied")
    return _file(content(request.path), request)


@lru_cache(maxsize=8)
def content(path: str) -> bytes:
    """Return the content of the file at this path of a URL. It is the same in every run."""
    return random.Random(path).randbytes(SIZE)  # noqa: S311  sample data


def _file(body: bytes, request: Request) -> Reply:
    etag = f'"{sample_hash("etag", request.path)}"'
    headers = (("content-type", "application/octet-stream"), ("accept-ranges", "bytes"), ("etag", etag))
    wanted = _RANGE(request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return Reply(200, headers, body)
    first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
    if first > last:
        return _error(416, "InvalidRange").with_headers(("content-range", f"bytes */{len(body)}"))
    part = body[first : last + 1]
    return Reply(206, (*headers, ("content-range", f"bytes {first}-{last}/{len(body)}")), part)


def _signature(target: str, expires: str) -> str:
    return f"{sample_hash('storage', target, expires)}/+="


def _error(status: int, code: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Reply(status, (("content-type", "application/xml"),), body.encode())
