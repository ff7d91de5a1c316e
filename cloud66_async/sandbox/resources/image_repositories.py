"""Image repositories in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import image_repositories as api
from ..crud import find, serve_get, serve_list, tables_of
from ..handling import Context, handles
from ..parameters import bad_request
from ..samples import timestamp
from ..table import Kind, Record, register

__all__ = ["IMAGE_REPOSITORIES"]


def sample(account: int) -> Iterator[Record]:
    """Yield the repository of an account."""
    yield {
        "id": 7000 + account,
        "url": "https://registry.example.com/v2/",
        "username": "acme",
        "email": "docker@example.com",
        "created_at_iso": "2024-10-21T11:02:37Z",
        "updated_at_iso": "2024-10-21T11:02:37Z",
    }


IMAGE_REPOSITORIES = register(
    Kind(
        "image repository",
        model=api.ImageRepository,
        owners=("account",),
        sample=sample,
        defaults={"created_at_iso": None, "updated_at_iso": None},
    )
)

serve_list(api.LIST, IMAGE_REPOSITORIES)
serve_get(api.GET, IMAGE_REPOSITORIES)


@handles(api.CREATE)
def create_repository(context: Context) -> Record:
    """Add a repository to the first account."""
    return tables_of(context, IMAGE_REPOSITORIES)[0].create(_fields(context))


@handles(api.UPDATE)
def update_repository(context: Context, image_repository: str) -> Record:
    """Replace the login of a repository."""
    record = find(context, IMAGE_REPOSITORIES, image_repository)
    record.update({**_fields(context), "updated_at_iso": timestamp(context.now)})
    return record


@handles(api.DELETE)
def delete_repository(context: Context, image_repository: str) -> Record:
    """Delete a repository. The response has no message."""
    record = find(context, IMAGE_REPOSITORIES, image_repository)
    for table in tables_of(context, IMAGE_REPOSITORIES):
        if record in table.records:
            table.delete(image_repository)
    return {"ok": True}


def _fields(context: Context) -> Record:
    """Return the fields of a repository. The password is not among them: the API never returns it."""
    given = context.parameters
    if not all(given.values()):
        raise bad_request("url, email, username and password must not be empty")
    return {name: given[name] for name in ("url", "username", "email")}
