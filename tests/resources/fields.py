"""The fields of a model."""

from __future__ import annotations

import attrs


def field_names(model: type[attrs.AttrsInstance]) -> set[str]:
    """Return the names of the model's fields."""
    return {field.name for field in attrs.fields(model)}
