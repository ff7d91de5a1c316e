"""The API as an OpenAPI 3.1 document, made from the operations and the models of the SDK."""

from __future__ import annotations

from .document import openapi

__all__ = ["openapi"]
