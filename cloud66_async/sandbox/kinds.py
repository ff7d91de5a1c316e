"""The names of the kinds of records that tests can add."""

from __future__ import annotations

from typing import Literal

__all__ = ["RecordKind"]

RecordKind = Literal[
    "DNS provider",
    "SSL certificate",
    "access key",
    "agent",
    "application variant",
    "backup",
    "backup file",
    "base template",
    "cluster",
    "config store record",
    "configuration",
    "container",
    "database",
    "database user",
    "device",
    "entity with tags",
    "environment variable",
    "failover group",
    "firewall rule",
    "formation",
    "formation filter",
    "gateway",
    "helm release",
    "image repository",
    "job",
    "manifest.yml version",
    "notification",
    "on-premises configuration",
    "policy",
    "process",
    "queue",
    "server",
    "server group",
    "server setting",
    "service",
    "service.yml version",
    "session",
    "stack setting",
    "stencil",
    "task",
    "transformation",
    "workflow",
]
"""Kinds of records that `FakeCloud66.add`, `records` and `remove` take."""
