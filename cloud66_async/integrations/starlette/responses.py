"""Models as JSON, where there is no FastAPI that does it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from ..._core.model import Model
from ...secret import MASK, Secret

__all__ = ["ModelResponse"]


class ModelResponse(JSONResponse):
    """A JSON response of models, alone or anywhere inside lists and dictionaries: secrets masked, moments ISO 8601.

    FastAPI needs none: its routes may return models as they are.
    """

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, Secret):
        return MASK
    raise TypeError(f"no model, and nothing that JSON has: {type(value).__name__}")
