"""Tags: labels of servers, stacks and other entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from .._core.parameters import Parameter
from ..operation import delete, get, many, patch, post
from ..pager import Pager
from ._resource import Resource

__all__ = ["EntityTag", "EntityTags", "Tags"]


@attrs.frozen(kw_only=True)
class EntityTag(Model):
    """One tag."""

    value: str  # text of the tag
    reserved: bool | None = None  # whether Cloud 66 gives it a meaning (known from the official client)


if TYPE_CHECKING:
    _Tag = EntityTag
else:
    _Tag = EntityTag | str  # strings in the documentation, objects in the official client: `EntityTags` converts them


@attrs.frozen(kw_only=True)
class EntityTags(Model):
    """The tags of one entity."""

    entity_id: str
    entity_type: str | None = None
    tags: tuple[_Tag, ...] | None = None  # always `EntityTag`: strings are converted
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        given: Iterable[EntityTag | str] | None = self.tags
        if given is not None:
            tags = tuple(EntityTag(value=tag) if isinstance(tag, str) else tag for tag in given)
            object.__setattr__(self, "tags", tags)


LIST = get("/tags/{entity_type}/{entity_id}", many(EntityTags), scope="public")
REPLACE = post("/tags/{entity_type}/{entity_id}", EntityTags, scope="public", body={"tags": list[str]})
UPDATE = patch("/tags/{entity_type}/{entity_id}", EntityTags, scope="public", body={"operations": list[dict[str, Any]]})
# The documented example of its response still has the tags, so it is not decoded.
DELETE = delete("/tags/{entity_type}/{entity_id}", scope="public")


class Tags(Resource):
    """Tags of any entity.

    The documentation names the entity types `server` and `loadbalancer`. The help pages also tag stacks, formations
    and firewall rules. Tags that start with `c66.` are reserved, for example `c66.delete.protection`.
    """

    def list(self, entity_type: str, entity_id: str | int) -> Pager[EntityTags]:
        """List the tags of the entity, all of them in one item."""
        return self._pages(LIST.bind(entity_type=entity_type, entity_id=entity_id))

    async def replace(self, entity_type: str, entity_id: str | int, *, tags: Iterable[str]) -> EntityTags:
        """Replace all tags of the entity. Return the new ones."""
        return await self._call(REPLACE.bind(entity_type=entity_type, entity_id=entity_id, tags=tags))

    async def update(
        self, entity_type: str, entity_id: str | int, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> EntityTags:
        """Add and remove tags of the entity. Return all of its tags.

        The API removes before it adds, and ignores tags to remove that the entity does not have. Raises ValueError if
        there is nothing to add or to remove.
        """
        changes = {"delete": _REMOVE.check(remove), "add": _ADD.check(add)}
        operations = [{"op": name, "tags": tags} for name, tags in changes.items() if tags]
        if not operations:
            raise ValueError("cannot update tags: both add and remove are empty; pass at least one tag")
        return await self._call(UPDATE.bind(entity_type=entity_type, entity_id=entity_id, operations=operations))

    async def delete(self, entity_type: str, entity_id: str | int) -> None:
        """Delete every tag of the entity."""
        await self._call(DELETE.bind(entity_type=entity_type, entity_id=entity_id))


_ADD = Parameter("add", list[str], required=True)
_REMOVE = Parameter("remove", list[str], required=True)
