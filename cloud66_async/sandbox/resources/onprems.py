"""On-premises configurations in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import onprems as api
from ..crud import find, serve_get, serve_list
from ..handling import Context, handles
from ..parameters import bad_request
from ..samples import sample_uid, timestamp
from ..table import Kind, Record, register

__all__ = ["ONPREMS"]


def sample(account: int) -> Iterator[Record]:
    """Yield the configurations of two data centers."""
    for city in ("London", "Toronto"):
        yield {
            "uid": sample_uid("onprem", account, city),
            "name": f"{city} data center",
            "config": {"registry": f"registry.{city.lower()}.example.com", "proxy": None, "replicas": 2},
            "created_at_iso": "2025-09-08T07:30:00Z",
            "updated_at_iso": "2026-02-11T16:05:42Z",
        }


ONPREMS = register(
    Kind("on-premises configuration", model=api.Onprem, owners=("account",), key="uid", uid=True, sample=sample)
)

serve_list(api.LIST, ONPREMS, paged=False)
serve_get(api.GET, ONPREMS)


@handles(api.UPDATE)
def update_onprem(context: Context, onprem: str) -> Record:
    """Change a configuration, except its uid."""
    found, given = find(context, ONPREMS, onprem), context.parameters
    if given.get("uid", onprem) != onprem:
        raise bad_request("uid cannot be changed")
    found.update({**given, "updated_at_iso": timestamp(context.now)})
    return found
