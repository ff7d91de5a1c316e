"""Responses for whole jobs: 600 stacks on pages of 30, each with two servers and three deployments."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .samples import stack, uid

__all__ = ["PAGES", "PER_PAGE", "STACKS", "respond"]

STACKS = 600
PER_PAGE = 30
PAGES = STACKS // PER_PAGE


@cache
def respond(target: str) -> bytes:
    """Return the body for the path and query of a request, which starts at the root of the API."""
    parts = urlsplit(target)
    query = {name: found[-1] for name, found in parse_qs(parts.query).items()}
    name = parts.path.rpartition("/api/3/")[2].removesuffix(".json").split("/")
    match name:
        case ["stacks"]:
            wanted = query.get("filter_name")
            items = [stack(number) for number in range(STACKS)]
            return _page([item for item in items if wanted in (None, item["name"])], int(query.get("page", "1")))
        case ["stacks", number]:
            return json.dumps({"response": stack(int(number, 16))}).encode()
        case ["stacks", number, "servers"]:
            return _page([_server(number, item) for item in range(2)], 1)
        case ["stacks", number, "deployments"]:
            return _page([_deployment(int(number, 16), item) for item in range(3)], 1)
        case _:
            return b'{"error": "not_found"}'


def _page(items: list[dict[str, Any]], number: int) -> bytes:
    pages = max(1, -(-len(items) // PER_PAGE))
    paging = {
        "previous": number - 1 or None,
        "next": number + 1 if number < pages else None,
        "current": number,
        "per_page": PER_PAGE,
        "count": len(items),
        "pages": pages,
    }
    shown = items[(number - 1) * PER_PAGE : number * PER_PAGE]
    return json.dumps({"response": shown, "count": len(shown), "pagination": paging}).encode()


def _server(stack_uid: str, number: int) -> dict[str, Any]:
    return {
        "uid": uid(int(stack_uid, 16) * 2 + number),
        "name": ("Lion", "Tiger")[number],
        "address": f"192.0.2.{number + 1}",
        "distro": "ubuntu",
        "health_code": 3,
        "stack_uid": stack_uid,
        "server_roles": ["web", "app"],
        "created_at": "2014-08-14T00:38:14Z",
        "updated_at": "2014-08-14T00:38:14Z",
    }


def _deployment(stack_number: int, number: int) -> dict[str, Any]:
    return {
        "id": stack_number * 3 + 3 - number,
        "git_hash": f"{stack_number:08x}{number:032x}",
        "outcome": {"code": 1, "meaning": "success"},
        "started_at": "2014-08-14T00:38:14Z",
        "finished_at": "2014-08-14T00:43:14Z",
    }
