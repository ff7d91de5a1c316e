"""Every model of the API by name: `from cloud66_async.models import Stack`.

A resource's module is imported when one of its models is first used.
"""

import ast
from functools import cache
from importlib import import_module
from pkgutil import get_data
from typing import Any

# The names stand once, in `models.pyi`, which type checkers read instead of this module.


@cache
def _locations() -> dict[str, str]:
    """Return the module of every model."""
    stub = get_data(__package__ or "", "models.pyi")
    assert stub is not None
    imports = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f".{node.module}" for node in imports for alias in node.names}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in _locations():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_locations()[name], __package__), name)
    return found


def __dir__() -> list[str]:
    return sorted(_locations())
