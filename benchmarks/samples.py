"""Bodies of the responses: one stack, a page of 100 stacks, and that page with one invalid value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

__all__ = ["BAD_PAGE", "PAGE", "PAGE_SIZE", "STACK", "PlainStack", "stack", "uid"]

PAGE_SIZE = 100
_START = datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class PlainStack:
    """The class that the other clients decode into. It has only types that every decoder supports."""

    uid: str
    name: str | None = None
    account_id: int | None = None
    account_name: str | None = None
    git: str | None = None
    git_branch: str | None = None
    environment: str | None = None
    cloud: str | None = None
    fqdn: str | None = None
    language: str | None = None
    framework: str | None = None
    status: int | None = None
    health: int | None = None
    last_activity: str | None = None
    last_activity_iso: datetime | None = None
    maintenance_mode: bool | None = None
    has_loadbalancer: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None
    created_at_iso: datetime | None = None
    updated_at_iso: datetime | None = None
    deploy_directory: str | None = None
    cloud_status: str | None = None
    redeploy_hook: str | None = None
    backend: str | None = None
    version: str | None = None
    revision: str | None = None
    is_busy: bool | None = None
    is_cluster: bool | None = None
    is_inside_cluster: bool | None = None
    cluster_name: str | None = None
    application_address: str | None = None
    configstore_namespace: str | None = None
    namespaces: tuple[str, ...] | None = None
    considerations: Mapping[str, Any] | None = None


def uid(number: int) -> str:
    """Return a uid in the format of the API."""
    return f"{number:032x}"


def stack(number: int) -> dict[str, Any]:
    """Return one stack, with the fields of the API in its order and formats."""
    created = _START + timedelta(hours=number, seconds=7 * number)
    updated, active = created + timedelta(days=number), created + timedelta(days=number, minutes=5)
    return {
        "uid": uid(number),
        "name": f"Awesome App {number}",
        "account_id": 10 + number,
        "account_name": "Acme (ops@acme.example)",
        "git": f"http://github.com/cloud66-samples/awesome-app-{number}.git",
        "git_branch": "main",
        "environment": "production",
        "cloud": "DigitalOcean",
        "fqdn": f"awesome-app-{number}.dev.c66.me",
        "language": "ruby",
        "framework": "rails",
        "status": number % 8,
        "health": number % 5,
        "last_activity": active.isoformat(),
        "last_activity_iso": f"{active:%Y-%m-%dT%H:%M:%S}Z",
        "maintenance_mode": False,
        "has_loadbalancer": number % 2 == 0,
        "created_at": f"{created:%Y-%m-%d %H:%M:%S} UTC",
        "updated_at": f"{updated:%Y-%m-%d %H:%M:%S} UTC",
        "created_at_iso": f"{created:%Y-%m-%dT%H:%M:%S}Z",
        "updated_at_iso": f"{updated:%Y-%m-%dT%H:%M:%S}Z",
        "deploy_directory": "/var/deploy/awesome_app",
        "cloud_status": "partial",
        "redeploy_hook": f"http://hooks.cloud66.com/stacks/redeploy/{uid(number)}/{uid(number + 1)}",
        "backend": "kubernetes",
        "version": "2.0",
        "revision": "12",
        "is_busy": False,
        "is_cluster": False,
        "is_inside_cluster": False,
        "cluster_name": None,
        "application_address": None,
        "configstore_namespace": uid(number + 2),
        "namespaces": ["web", "jobs"],
        "considerations": {"warnings": [], "notices": []},
    }


def _page(items: list[dict[str, Any]]) -> bytes:
    paging = {"previous": None, "next": 2, "current": 1, "per_page": PAGE_SIZE, "count": 20_000, "pages": 200}
    return json.dumps({"response": items, "count": len(items), "pagination": paging}).encode()


_ITEMS = [stack(number) for number in range(PAGE_SIZE)]
STACK = json.dumps({"response": _ITEMS[0]}).encode()
PAGE = _page(_ITEMS)
BAD_PAGE = _page(
    [item | {"account_id": "Acme"} if number == PAGE_SIZE // 2 else item for number, item in enumerate(_ITEMS)]
)
