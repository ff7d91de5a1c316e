"""The resources of the API, one module each: its models, its operations, and a class with one method per operation."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..operation import Operation

if TYPE_CHECKING:
    from .._core.sender import Sender
    from .actions import Actions
    from .backup_files import BackupFiles
    from .backups import Backups
    from .deployments import Deployments
    from .environment_variables import EnvironmentVariables
    from .jobs import Jobs
    from .ping import Ping
    from .servers import Servers
    from .stacks import Stacks

__all__ = ["Resources", "modules", "operations"]


class _Lazy:
    """A resource that is imported and created on first use: most programs need few of them."""

    def __init__(self, class_name: str) -> None:
        self._class_name = class_name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        kind = getattr(import_module(f".{self._name}", __package__), self._class_name)
        resource = client.__dict__[self._name] = kind(client._sender)  # noqa: SLF001  the client's own resource
        return resource


def _lazy(class_name: str) -> Any:
    """Return the resource of this class, from the module with the attribute's name."""
    return _Lazy(class_name)


class Resources:
    """Every resource of the API, as attributes."""

    _sender: Sender

    actions: Actions = _lazy("Actions")
    """Actions of a stack."""
    backup_files: BackupFiles = _lazy("BackupFiles")
    """Files of a backup."""
    backups: Backups = _lazy("Backups")
    """Managed backups of a stack."""
    deployments: Deployments = _lazy("Deployments")
    """Deployments of a stack."""
    environment_variables: EnvironmentVariables = _lazy("EnvironmentVariables")
    """Environment variables of a stack. They are read by ID, but changed and deleted by key."""
    jobs: Jobs = _lazy("Jobs")
    """Jobs of a stack."""
    ping: Ping = _lazy("Ping")
    """Checks of the connection and of the token."""
    servers: Servers = _lazy("Servers")
    """Servers of a stack."""
    stacks: Stacks = _lazy("Stacks")
    """Stacks that the token has access to."""


def modules() -> Iterator[str]:
    """Yield the name of every resource's module, in alphabetical order."""
    from pkgutil import iter_modules  # imported lazily: takes 2 ms, and calls do not need it

    for module in iter_modules(__path__):
        if not module.name.startswith("_") and module.name != "common":
            yield module.name


def operations(*, variants: bool = False) -> Iterator[tuple[str, Operation[Any]]]:
    """Yield every operation of the API with its name, for example `stacks.get`, by resource and in source order.

    With `variants`, also yield the variants of operations, such as `stacks.restart`.
    """
    for module in modules():
        for name, value in vars(import_module(f".{module}", __package__)).items():
            if isinstance(value, Operation) and (variants or value.base is None):
                yield f"{module}.{name.lower()}", value  # pyright: ignore[reportUnknownVariableType]
