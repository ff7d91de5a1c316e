"""What the documentation says about models: each test of a resource has it as `DOCUMENTED`.

It is written down from the documentation of Cloud 66 and the official client, not from the code of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Documented"]

Documented = Mapping[type[Any], str | Mapping[Any, str]]
"""The names of the fields of each model, separated by spaces, and the values of each enumeration with their names."""
