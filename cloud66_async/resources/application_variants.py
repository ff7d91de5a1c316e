"""Application variants: the versions of an application that run next to each other."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import delete, get, many, patch
from ..pager import Pager
from ._resource import Resource

__all__ = ["ApplicationVariant", "ApplicationVariants"]


@attrs.frozen(kw_only=True)
class ApplicationVariant(Model):
    """One variant: the active version, a version that is being rolled out, or a preview.

    The official client has `type` and `percentage`. The documentation calls the type `variant_type` or `status`, and
    the percentage also `traffic_percentage`. The SDK fills `type` and `percentage` from any of them.
    """

    uid: str
    id: int | None = None
    type: str | None = None  # for example `active`, `canary` or `preview`; an open set
    sub_type: str | None = None
    variant_type: str | None = None
    status: str | None = None
    name: str | None = None
    namespace: str | None = None  # Kubernetes namespace
    git_repo: str | None = None  # URL of the Git repository
    git_ref: str | None = None  # branch, tag or commit
    git_hash: str | None = None
    tag: str | None = None
    percentage: int | None = None  # share of the traffic
    traffic_percentage: int | None = None
    traffic_split_name: str | None = None  # name of the Kubernetes resource that distributes the traffic
    deploy_session: str | None = None
    dns_record: tuple[str, ...] | None = None  # host names
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.type is None:
            object.__setattr__(self, "type", self.status if self.variant_type is None else self.variant_type)
        if self.percentage is None:
            object.__setattr__(self, "percentage", self.traffic_percentage)


LIST = get("/stacks/{stack}/application_variants.json", many(ApplicationVariant), scope="redeploy")
UPDATE = patch(
    "/stacks/{stack}/application_variants/{variant}.json", body={"operation": str, "canary_percentage": int | None}
)
COMMIT = UPDATE.variant(fixed={"operation": "commit"})
DELETE = delete("/stacks/{stack}/application_variants/{variant}.json")


class ApplicationVariants(Resource):
    """Variants of an application."""

    def list(self, stack: str) -> Pager[ApplicationVariant]:
        """List the variants of the stack. The API returns all of them in one page."""
        return self._pages(LIST.bind(stack=stack))

    async def commit(self, stack: str, variant: str) -> None:
        """Finish a rollout: the variant becomes the active version (known from the official client)."""
        await self._call(COMMIT.bind(stack=stack, variant=variant))

    async def update(self, stack: str, variant: str, *, canary_percentage: int) -> None:
        """Change the share of the traffic that a canary receives (known from the official client)."""
        # The official client sends this operation too. The documentation mentions another one, but not its name.
        await self._call(
            UPDATE.bind(stack=stack, variant=variant, operation="commit", canary_percentage=canary_percentage)
        )

    async def delete(self, stack: str, variant: str) -> None:
        """Delete a preview (known from the official client)."""
        await self._call(DELETE.bind(stack=stack, variant=variant))
