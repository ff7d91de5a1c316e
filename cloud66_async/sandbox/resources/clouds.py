"""Clouds in the sandbox: the cloud providers of the sample stacks."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import clouds as api
from ..handling import Context, Listing, handles, missing
from ..samples import CLOUDS
from ..table import Record

__all__: list[str] = []

_NAMES = {
    "DigitalOcean": "DigitalOcean",
    "aws": "Amazon Web Services",
    "googlecloud": "Google Cloud",
    "azure": "Microsoft Azure",
    "hetzner": "Hetzner",
    "linode": "Linode",
}


def _clouds() -> Iterator[Record]:
    for cloud, name in _NAMES.items():
        regions = [{"id": region, "name": region.upper()} for region, _ in CLOUDS[cloud]]
        if cloud == "DigitalOcean":  # only some cloud providers have regions with an earlier ID
            regions = [{**region, "old_id": str(number)} for number, region in enumerate(regions, start=1)]
        sizes = [{"id": size, "name": size} for _, size in CLOUDS[cloud]]
        yield {
            "name": cloud.lower(), "display_name": name, "key_name": "Default", "regions": regions,
            "server_sizes": sizes,
        }  # fmt: skip


@handles(api.LIST)
def list_clouds(_context: Context) -> Listing[Record]:
    """List the cloud providers."""
    return Listing(tuple(_clouds()))


@handles(api.GET)
def get_cloud(_context: Context, cloud: str) -> Record:
    """Return one cloud provider. That case is ignored is a guess: stacks have `DigitalOcean` for `digitalocean`."""
    for found in _clouds():
        if found["name"] == cloud.lower():
            return found
    raise missing("cloud")
