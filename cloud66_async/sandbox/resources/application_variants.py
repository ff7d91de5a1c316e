"""Application variants in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...resources import application_variants as api
from ..crud import find, tables_of
from ..handling import Context, also_at, handles
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_hash, sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register
from .containers import uses_containers

__all__ = ["APPLICATION_VARIANTS"]

# The documentation and earlier versions of the official client have the first two, the current client the others.
_DATES = ("created_at", "updated_at", "created_at_iso", "updated_at_iso")


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the active version, a canary and a preview. Stacks without containers have no variants."""
    data = stack.data
    for number, (kind, percentage) in enumerate((("active", 80), ("canary", 20), ("preview", 0))):
        if uses_containers(stack):
            yield {
                "uid": sample_uid("variant", stack.uid, number),
                "id": stack.number * 10 + number + 1,
                "type": kind,
                "sub_type": None,
                "name": kind,
                "namespace": f"{stack.name}-{kind}",
                "git_repo": data["git"],
                "git_ref": "feature/preview" if kind == "preview" else data["git_branch"],
                "git_hash": sample_hash("variant", stack.uid, number),
                "tag": None,
                "percentage": percentage,
                "traffic_split_name": f"{stack.name}-split",
                "deploy_session": f"deploy-{number + 1}",
                "dns_record": [data["fqdn"] if kind == "active" else f"{kind}.{data['fqdn']}"],
                **dict.fromkeys(_DATES, timestamp(stack.added_at)),
            }


APPLICATION_VARIANTS = register(Kind("application variant", model=api.ApplicationVariant, key="uid", sample=sample))


@handles(api.LIST)
def list_variants(context: Context, stack: str) -> Sequence[Record]:
    """List the variants: a list without a count and without pagination."""
    return [record for table in tables_of(context, APPLICATION_VARIANTS, stack) for record in table.list()]


@handles(api.UPDATE)
def update_variant(context: Context, stack: str, variant: str) -> Record:
    """Change the share of a canary or, without a share, make it the active version."""
    record, percentage = (
        find(context, APPLICATION_VARIANTS, stack, variant),
        context.parameters.get("canary_percentage"),
    )
    (table,) = tables_of(context, APPLICATION_VARIANTS, stack)
    if record["type"] != "canary":
        raise bad_request("The variant is not being rolled out")
    (active,) = [item for item in table.list() if item["type"] == "active"]
    if percentage is None:
        if context.parameters["operation"] != "commit":
            raise bad_request("operation must be commit")
        table.delete(active["uid"])
        return table.update(variant, {"type": "active", "name": "active", "percentage": 100})
    if not 0 <= percentage <= 100:
        raise bad_request("canary_percentage must be between 0 and 100")
    table.update(active["uid"], {"percentage": 100 - percentage})
    return table.update(variant, {"percentage": percentage})


also_at("PUT", "/stacks/{stack}/application_variants/{variant}", api.UPDATE)


@handles(api.DELETE)
def delete_variant(context: Context, stack: str, variant: str) -> Record:
    """Delete a preview. Other variants cannot be deleted."""
    if find(context, APPLICATION_VARIANTS, stack, variant)["type"] != "preview":
        raise Rejected(error_reply(403, "forbidden", "Only previews can be deleted"))
    (table,) = tables_of(context, APPLICATION_VARIANTS, stack)
    return table.delete(variant)
