"""Descriptions of classes and of their attributes, which the package itself also needs."""

from __future__ import annotations

from cloud66_async.openapi.descriptions import Description, Source, describe

__all__ = ["Description", "Source", "describe"]
