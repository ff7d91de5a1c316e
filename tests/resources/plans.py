"""Variables, plans for them, and the requests that carry them out."""

from __future__ import annotations

import json
import traceback
from typing import Any

from cloud66_async import Secret
from cloud66_async.resources.environment_variables import EnvironmentPlan

from ..support import Script, client, make_response

__all__ = ["DESIRED", "HIDDEN", "PRESENT", "listed", "make_plan", "requests", "shown_by", "started", "variable"]

HIDDEN = "hush/42"


def variable(key: str, value: object = "old", **fields: object) -> dict[str, object]:
    return {"key": key, "value": value, "readonly": False, "is_generated": False, **fields}


PRESENT = [
    variable("SAME", "same"),
    variable("CHANGED"),
    variable("OLD"),
    variable("LOCKED", readonly=True, is_generated=True),
    variable("DATABASE_URL", is_generated=True),
]
DESIRED: dict[str, str | Secret] = {"NEW": HIDDEN, "CHANGED": Secret(HIDDEN), "SAME": "same", "LOCKED": HIDDEN}


def listed(*variables: dict[str, object]) -> Any:
    return make_response({"response": list(variables or PRESENT)})


async def make_plan(desired: Any = DESIRED, *present: dict[str, object], prune: bool = True) -> EnvironmentPlan:
    async with client(Script(listed(*present))) as c66:
        return await c66.environment_variables.plan("a", desired, prune=prune)


def started(number: int = 1) -> Any:
    return make_response({"response": {"id": number}})


def requests(script: Script) -> list[tuple[str, str, Any]]:
    return [
        (request.method, target, None if request.body is None else json.loads(request.body))
        for request, target in zip(script.requests, script.targets, strict=True)
    ]


def shown_by(error: BaseException) -> str:
    """Return the messages and the local variables of the package's frames in the traceback of an error."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts: list[str] = [str(error)]
    while found is not None:
        frames = [frame for frame in found.stack if "cloud66_async" in frame.filename]
        texts += [f"{found} {frame.locals}" for frame in frames]
        found = found.__cause__ or found.__context__  # type: ignore[assignment]
    assert len(texts) > 1
    return "\n".join(texts)
