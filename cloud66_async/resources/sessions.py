"""Sessions: interactive shells in the containers of a service."""

from __future__ import annotations

import attrs

from .._core.model import Model
from ..operation import get, post
from ._resource import Resource
from .actions import Action

__all__ = ["Session", "Sessions"]


@attrs.frozen(kw_only=True)
class Session(Model):
    """One session.

    It has a `uid` according to the official client, but `id` and `status` instead in an example of the documentation.
    """

    uid: str | None = None
    id: int | None = None
    title: str | None = None
    service_name: str | None = None
    command: str | None = None
    namespace: str | None = None  # Kubernetes namespace
    deployment_name: str | None = None  # Kubernetes deployment
    pod_name: str | None = None
    container_name: str | None = None
    status: str | None = None  # for example `active`; an open set


CREATE = post("/stacks/{stack}/sessions.json", Action, body={"service_name": str})
FETCH = get(
    "/stacks/{stack}/sessions/fetch.json",
    Session,
    scope="redeploy",
    query={"session_id": str | None, "service_name": str | None},
)


class Sessions(Resource):
    """Sessions of a stack that runs in Docker or Kubernetes."""

    async def create(self, stack: str, *, service_name: str) -> Action:
        """Start a session in a container of the service. Return the action (known from the official client)."""
        return await self._start(CREATE, stack, service_name=service_name)

    async def fetch(self, stack: str, *, session_id: str | None = None, service_name: str | None = None) -> Session:
        """Return one session or, without `session_id`, the latest session of a service.

        According to the documentation, `session_id` is the session's `id`. The API requires the right to download SSH
        keys, and reports a missing session as BadRequest.
        """
        return await self._call(FETCH.bind(stack=stack, session_id=session_id, service_name=service_name))
