"""Building blocks of sample data: identifiers and timestamps, the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

__all__ = ["CLOUDS", "account_name", "account_owner", "legacy_timestamp", "sample_hash", "sample_uid", "timestamp"]

CLOUDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "DigitalOcean": (("lon1", "s-2vcpu-4gb"), ("nyc3", "s-4vcpu-8gb"), ("fra1", "s-1vcpu-2gb")),
    "aws": (("eu-west-1", "t3.medium"), ("us-east-1", "m6i.large"), ("ap-southeast-2", "t3.small")),
    "googlecloud": (("europe-west1", "e2-standard-2"), ("us-central1", "n2-standard-4")),
    "azure": (("westeurope", "Standard_B2s"), ("eastus", "Standard_D2s_v5")),
    "hetzner": (("fsn1", "cpx21"), ("hel1", "cpx31")),
    "linode": (("eu-central", "g6-standard-2"), ("us-east", "g6-standard-4")),
    "no_cloud": (("", ""),),
}
"""Regions and server sizes of each cloud provider."""


def account_name(account: int) -> str:
    """Return the name of the account with this number, if `add_account` gave it no other."""
    return "Acme" if account == 1 else f"Acme {account}"


def account_owner(account: int) -> str:
    """Return the e-mail address of the owner of the account with this number."""
    return "ada@example.com" if account == 1 else f"owner@acme-{account}.example.com"


def timestamp(time: datetime) -> str:
    """Return `time` in the format of most fields: `2014-09-01T19:00:33Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def legacy_timestamp(time: datetime) -> str:
    """Return `time` in the format of a stack's `created_at` and `updated_at`: `2014-08-14 00:38:14 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")


def sample_hash(*parts: object) -> str:
    """Return a commit hash of 40 hexadecimal digits, the same for the same parts."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:40]


def sample_uid(*parts: object) -> str:
    """Return a uid of 32 hexadecimal digits, the same for the same parts."""
    return sample_hash(*parts)[:32]
