"""Config store records: values by key that an account or a stack stores at Cloud 66."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
import msgspec

from .._core.model import Model, free_form
from ..operation import Call, Operation, delete, get, many, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource

__all__ = ["ConfigStoreRecord", "ConfigStoreRecords"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ConfigStoreRecord(Model):
    """One record."""

    key: str
    raw_value: Secret | None = None
    metadata: Mapping[str, Any] | None = free_form()  # strings by name
    ttl: int | None = None  # time to live; the unit is not documented


_RECORD = {"key": str, "raw_value": Secret, "metadata": dict[str, str] | None, "ttl": int | None}

LIST = get("/configstore/namespaces/{namespace}/records.json", many(ConfigStoreRecord))
GET = get("/configstore/namespaces/{namespace}/records/{record}.json", ConfigStoreRecord)
CREATE = post("/configstore/namespaces/{namespace}/records.json", ConfigStoreRecord, body=_RECORD, wrapper="record")
UPDATE = put(
    "/configstore/namespaces/{namespace}/records/{record}.json", ConfigStoreRecord, body=_RECORD, wrapper="record"
)
DELETE = delete("/configstore/namespaces/{namespace}/records/{record}.json", ConfigStoreRecord)


class ConfigStoreRecords(Resource):
    """Records of a namespace in the config store (known from the official client).

    `configstore_namespace` of an account or a stack is the namespace.
    """

    def list(self, namespace: str) -> Pager[ConfigStoreRecord]:
        """List the records of the namespace."""
        return self._pages(LIST.bind(namespace=namespace))

    async def get(self, namespace: str, key: str) -> ConfigStoreRecord:
        """Return the record with this key."""
        return await self._call(_without_dots(GET, namespace=namespace, record=key))

    async def create(
        self,
        namespace: str,
        key: str,
        *,
        raw_value: str | Secret,
        metadata: Mapping[str, str] | None = None,
        ttl: int | None = None,
    ) -> ConfigStoreRecord:
        """Create a record. Return it. The unit of `ttl`, its time to live, is not documented."""
        raw_value = conceal(raw_value)
        return await self._call(
            CREATE.bind(namespace=namespace, key=key, raw_value=raw_value, metadata=metadata, ttl=ttl)
        )

    async def update(
        self,
        namespace: str,
        key: str,
        *,
        raw_value: str | Secret,
        metadata: Mapping[str, str] | None = None,
        ttl: int | None = None,
    ) -> ConfigStoreRecord:
        """Change a record. Return it. The unit of `ttl`, its time to live, is not documented."""
        raw_value = conceal(raw_value)
        return await self._call(
            _without_dots(
                UPDATE, namespace=namespace, record=key, key=key, raw_value=raw_value, metadata=metadata, ttl=ttl
            )
        )

    async def delete(self, namespace: str, key: str) -> ConfigStoreRecord:
        """Delete a record. Return it."""
        return await self._call(_without_dots(DELETE, namespace=namespace, record=key))


def _without_dots(operation: Operation[T], **values: object) -> Call[T]:
    """Return a call with dots of the key as `%2E`: the API takes what follows a dot for a format such as `.json`."""
    call = operation.bind(**values)
    parent, _, key = call.path.removesuffix(".json").rpartition("/")
    return msgspec.structs.replace(call, path=f"{parent}/{key.replace('.', '%2E')}.json")
