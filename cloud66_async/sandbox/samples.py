"""Believable stacks and servers: varied, and the same each time."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

__all__ = ["git_hash", "identity", "iso", "server", "servers", "spelled", "stack", "stack_identity", "stack_name"]

_TRADES = (
    "billing", "catalog", "checkout", "chat", "courier", "crew", "depot", "fleet", "harbour", "invoice", "ledger",
    "library", "mail", "market", "orders", "payroll", "photos", "pricing", "ratings", "search", "shop", "stock",
    "tickets", "travel",
)  # fmt: skip
_ROLES = ("web", "api", "admin", "worker", "gateway", "site", "portal", "feed", "reports", "hooks")
_FRAMEWORKS = (
    ("ruby", "rails", None), ("ruby", "rails", None), ("ruby", "rack", None), ("ruby", "sinatra", None),
    ("docker", "docker", "kubernetes"), ("docker", "docker", "kubernetes"), ("node", "express", "kubernetes"),
    ("python", "django", "kubernetes"), ("php", "laravel", "kubernetes"), ("static", "hugo", None),
)  # fmt: skip
_CLOUDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "DigitalOcean": (("lon1", "s-2vcpu-4gb"), ("nyc3", "s-4vcpu-8gb"), ("fra1", "s-1vcpu-2gb")),
    "aws": (("eu-west-1", "t3.medium"), ("us-east-1", "m6i.large"), ("ap-southeast-2", "t3.small")),
    "googlecloud": (("europe-west1", "e2-standard-2"), ("us-central1", "n2-standard-4")),
    "azure": (("westeurope", "Standard_B2s"), ("eastus", "Standard_D2s_v5")),
    "hetzner": (("fsn1", "cpx21"), ("hel1", "cpx31")),
    "linode": (("eu-central", "g6-standard-2"), ("us-east", "g6-standard-4")),
    "no_cloud": (("", ""),),
}
_HOSTS = ("git@github.com:acme/{}.git", "https://github.com/acme/{}.git", "git@bitbucket.org:acme/{}.git",
          "git@gitlab.com:acme/{}.git")  # fmt: skip
# (status, health) with weights: most stacks run well, some are looked for by name in a list of troubles.
_STATES = {
    "production": (((1, 3), 84), ((1, 2), 7), ((2, 2), 3), ((2, 4), 2), ((6, 1), 2), ((1, 0), 2)),
    "staging": (((1, 3), 68), ((1, 2), 10), ((2, 4), 8), ((6, 1), 4), ((5, 3), 3), ((0, 0), 3), ((1, 0), 4)),
    "": (((1, 3), 58), ((2, 4), 10), ((4, 0), 8), ((3, 0), 4), ((7, 0), 6), ((6, 1), 4), ((1, 2), 10)),
}


def iso(moment: datetime | None) -> str | None:
    """`2014-09-01T19:00:33Z`, the spelling of most fields."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def spelled(moment: datetime) -> str:
    """`2014-08-14 00:38:14 UTC`, the spelling of a stack's `created_at` and `updated_at`."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def identity(*parts: object) -> str:
    """32 hex digits, the same for the same parts: a uid."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:32]


def git_hash(*parts: object) -> str:
    """40 hex digits, the same for the same parts: a commit."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:40]


def stack_name(number: int) -> tuple[str, str]:
    """The name and environment of the stack of this number: each application in three environments."""
    application, place = divmod(number, 3)
    round_, index = divmod(application, len(_TRADES) * len(_ROLES))
    # 7 shares no factor with 240, so every name comes once before one comes again.
    trade, role = divmod(index * 7 % (len(_TRADES) * len(_ROLES)), len(_ROLES))
    name = f"{_TRADES[trade]}-{_ROLES[role]}" + (f"-{round_ + 1}" if round_ else "")
    third = ("development", "qa", "review")[application % 3]
    return name, ("production", "staging", third)[place]


def stack_identity(number: int) -> str:
    """The uid of the stack of this number."""
    return identity("stack", number)


def stack(number: int, name: str, environment: str, now: datetime, *, settled: bool = False) -> dict[str, Any]:
    """Every field of a stack; a `settled` one is deployed and healthy."""
    chance = Random(f"stack:{number}")  # noqa: S311  variety, no secret
    language, framework, backend = chance.choice(_FRAMEWORKS)
    cloud = chance.choice(tuple(_CLOUDS))
    states = _STATES.get(environment, _STATES[""])
    status, health = chance.choices([pair for pair, _ in states], [weight for _, weight in states])[0]
    if settled:
        status, health = 1, 3
    created = now - timedelta(seconds=chance.randrange(20 * 86_400, 1500 * 86_400))
    updated = now - timedelta(seconds=chance.randrange(600, 19 * 86_400))
    uid = stack_identity(number)
    clustered = backend == "kubernetes"
    address = f"{name}.{environment}.c66.example.com"
    return {
        "uid": uid,
        "name": name,
        "account_id": 1,
        "account_name": "Acme <ada@example.com>",
        "git": chance.choice(_HOSTS).format(name),
        "git_branch": {"production": "main", "staging": "main"}.get(environment, f"feature/{name.partition('-')[0]}"),
        "environment": environment,
        "cloud": cloud,
        "fqdn": address,
        "language": language,
        "framework": framework,
        "status": status,
        "health": health,
        "last_activity": updated.isoformat(timespec="seconds"),
        "last_activity_iso": iso(updated),
        "maintenance_mode": not settled and chance.random() < 0.02,
        "has_loadbalancer": environment == "production" and chance.random() < 0.6,
        "created_at": spelled(created),
        "updated_at": spelled(updated),
        "created_at_iso": iso(created),
        "updated_at_iso": iso(updated),
        "deploy_directory": "/var/deploy/" + name,
        "cloud_status": "deployed" if status in (1, 2, 5, 6) else "partial",
        "redeploy_hook": f"https://hooks.cloud66.example.com/stacks/redeploy/{uid}/{identity('hook', uid)}",
        "backend": backend,
        "version": "v3" if clustered else "v2",
        "revision": str(chance.randrange(1, 400)),
        "is_busy": False,
        "is_cluster": False,
        "is_inside_cluster": clustered and chance.random() < 0.3,
        "cluster_name": "acme-" + cloud.lower() if clustered else None,
        "application_address": f"https://{address}" if status in (1, 6) else None,
        "configstore_namespace": str(uuid.UUID(identity("configstore", uid))),
        "namespaces": [f"{name}-{environment}"] if clustered else [],
        "considerations": {"warnings": ["Servers are close to full"] if health == 2 else [], "notices": []},
    }


def servers(data: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """The servers of a stack: one to four, a database apart from two on."""
    chance = Random(f"servers:{data['uid']}")  # noqa: S311  variety, no secret
    count = 1 + chance.choices((0, 1, 2, 3), (3, 4, 2, 1) if data["environment"] == "production" else (7, 2, 1, 0))[0]
    region, size = chance.choice(_CLOUDS.get(data["cloud"], (("", ""),)))
    found: list[dict[str, Any]] = []
    for number in range(count):
        database = number == 1
        roles = ["postgresql"] if database else ["web", "app"] if count > 1 else ["web", "app", "postgresql"]
        found.append(server(data, number, roles=roles, region=region, size=size, now=now))
    return found


def server(
    data: Mapping[str, Any], number: int, *, roles: list[str], region: str, size: str, now: datetime
) -> dict[str, Any]:
    """Every field of one server, but the private key."""
    uid = identity("server", data["uid"], number)
    chance = Random(f"server:{uid}")  # noqa: S311  variety, no secret
    created = now - timedelta(seconds=chance.randrange(15 * 86_400, 900 * 86_400))
    updated = now - timedelta(seconds=chance.randrange(60, 14 * 86_400))
    animal = chance.choice(("badger", "cheetah", "dolphin", "falcon", "gibbon", "lion", "otter", "panda", "tiger"))
    address = f"203.0.113.{chance.randrange(1, 255)}"
    return {
        "uid": uid,
        "vendor_uid": str(chance.randrange(10**8, 10**9)),
        "name": f"{animal}-{number + 1}",
        "address": address,
        "distro": "ubuntu",
        "distro_version": chance.choice(("20.04", "22.04", "24.04")),
        "dns_record": f"{animal}-{number + 1}.{data['name']}.{data['environment']}.c66.example.com",
        "user_name": "root" if data["cloud"] == "DigitalOcean" else "ubuntu",
        "server_type": f"{roles[0]} ",
        "server_roles": roles,
        "server_group_id": chance.randrange(1000, 9999),
        "stack_uid": data["uid"],
        "has_agent": True,
        "params": {"agent_version": "1.7.4", "cores": chance.choice((1, 2, 4)), "size": size},
        "region": region,
        "availability_zone": f"{region}a" if data["cloud"] == "aws" else "",
        "ext_ipv4": address,
        "ext_ipv6": None,
        "int_ipv4": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}",
        "int_ipv6": None,
        "health_state": data["health"],
        "personal_key": False,
        "notifications": {},
        "has_deploy_gateway": False,
        "deploy_gateway_address": None,
        "deploy_gateway_user_name": None,
        "is_kubernetes_master": data["backend"] == "kubernetes" and number == 0,
        "created_at": iso(created),
        "updated_at": iso(updated),
    }
