"""JSON responses that contain models, for Starlette."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from ..._core.model import Model
from ...secret import MASK, Secret

__all__ = ["ModelResponse"]


class ModelResponse(JSONResponse):
    """JSON response whose content may be or contain models. Secrets are masked; datetimes are in ISO 8601.

    FastAPI does not need it: FastAPI routes may return models directly.
    """

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, Secret):
        return MASK
    raise TypeError(f"cannot serialize {type(value).__name__} as JSON: expected a model or a JSON value")
