"""Tables of models for notebooks, as HTML. Imported when a notebook shows one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .text import clean

__all__ = ["MAX_ROWS", "fields_table", "list_table"]

MAX_ROWS = 100
_MAX_COLUMNS = 12
_MAX_CELL = 80
_MAX_VALUE = 300  # in a table of one model

# On each cell: the style sheets of notebooks align the cells of all tables to the right.
_LEFT = 'style="text-align: left"'

_Fields = Mapping[str, Any]


def fields_table(title: str, fields: _Fields) -> str:
    """Return a table of the fields of one model that have a value."""
    rows = (
        f'<tr><th scope="row" {_LEFT}>{escape(name)}</th>{_cell(fields[name], _MAX_VALUE)}</tr>'
        for name in _names([fields])
    )
    return f"<table><caption {_LEFT}>{escape(title)}</caption><tbody>{''.join(rows)}</tbody></table>"


def list_table(rows: Sequence[_Fields], *, total: int) -> str:
    """Return a table of models, of which there are `total`, with the first fields for which any has a value."""
    names = _names(rows)
    shown = names[:_MAX_COLUMNS]
    header = "".join(f'<th scope="col" {_LEFT}>{escape(name)}</th>' for name in shown)
    body = "".join(f"<tr>{''.join(_cell(row.get(name), _MAX_CELL) for name in shown)}</tr>" for row in rows)
    table = f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
    omitted = [_count(total - len(rows), "item"), _count(len(names) - len(shown), "field")]
    note = " and ".join(filter(None, omitted))
    return f"{table}<p>{note} not shown</p>" if note else table


def _names(rows: Iterable[_Fields]) -> list[str]:
    """Return the names of the fields for which any row has a value, without the second form of a timestamp."""
    names = dict.fromkeys(name for row in rows for name in row)
    filled = {name for row in rows for name, value in row.items() if value is not None}
    return [name for name in names if name in filled and not (name.endswith("_iso") and name[:-4] in filled)]


def _cell(value: Any, max_length: int) -> str:
    text = "" if value is None else value if isinstance(value, str) else _json(value)
    shown = clean(text, max_length=max_length)
    return f"<td {_LEFT}>{escape(shown)}{'…' if len(text) > max_length else ''}</td>"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)  # fields without a fixed structure may hold anything


def _count(number: int, noun: str) -> str:
    return f"{number} more {noun}{'' if number == 1 else 's'}" if number else ""
