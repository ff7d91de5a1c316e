"""Registry credentials in the sandbox."""

from __future__ import annotations

from ...resources import registry_credentials as api
from ..handling import Context, handles
from ..samples import sample_hash
from ..table import Record
from .users import current_user

__all__: list[str] = []


@handles(api.GET)
def get_credentials(context: Context) -> Record:
    """Return the login of the user, which is always the same."""
    return {
        "username": f"user-{current_user(context)['id']}",
        "secret": sample_hash("registry", context.user),
    }
