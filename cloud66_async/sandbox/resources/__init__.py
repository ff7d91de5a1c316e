"""The resources in the sandbox, in modules with the names of those in `cloud66_async.resources`.

Each module has the handlers of the resource's operations and its sample data.
"""

from __future__ import annotations

from importlib import import_module

from ...resources import modules
from ..handling import HANDLERS

__all__ = ["HANDLERS"]

for _name in modules():
    import_module(f".{_name}", __name__)  # registers its handlers
