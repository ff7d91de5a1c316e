"""Results of commands: tables for people, and JSON, CSV or aligned text for other programs."""

from __future__ import annotations

import csv
import enum
import io
import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import attrs
from cyclopts import Parameter

from .._core.model import Model
from .console import is_terminal, plain, print_line, print_table
from .exits import USAGE, CommandError
from .table import Cell, Column, Table

__all__ = ["Field", "Listing", "Output", "ago", "count", "print_details", "time_of"]

T = TypeVar("T")

_UID_LENGTH = 32
_SHORT_UID = 8
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_DAYS = 30  # beyond, a date says more than a number of days
_NOTHING = "–"


@attrs.frozen
class Field(Generic[T]):
    """A column of a listing.

    Args:
        name: Name of the column, as `--columns` takes it and as it stands in JSON and CSV.
        value: Function that returns the value of a row: text, a number, a time, an enumeration, or None.
        title: Heading on a terminal; the default is the name.
        style: Function that returns the color of a row's cell: green, yellow, red, cyan, dim or an empty string.
        dropped: Place in the order in which columns are left out of a narrow table. None keeps the column.
        extra: Whether the column is only shown with `--wide` or if `--columns` names it.
        uid: Whether the value is a uid, which is shortened on a terminal as far as it stays unique.
    """

    name: str
    value: Callable[[T], object]
    title: str | None = None
    style: Callable[[T], str] | None = None
    dropped: int | None = None
    extra: bool = False
    uid: bool = False


@attrs.frozen
class Listing(Generic[T]):
    """What rows of one kind look like.

    Args:
        kind: What one row is, for the line below the table, for example `stack`.
        fields: The columns.
        to_dict: Function that returns a row as JSON-ready values, which `--json` prints.
        kinds: Its plural; the default adds an s.
    """

    kind: str
    fields: Sequence[Field[T]]
    to_dict: Callable[[T], Mapping[str, Any]]
    kinds: str | None = None

    @classmethod
    def of_models(cls, kind: str, *fields: Field[T], kinds: str | None = None) -> Listing[T]:
        """Return a listing of models, whose JSON has all fields, with words for numbered states."""
        return cls(kind, fields, _model_to_dict, kinds)


@Parameter(name="*", group="Output")
@attrs.frozen(kw_only=True)
class Output:
    """Options that choose how a listing is printed."""

    json: Annotated[bool, Parameter(negative="", show_default=False, help="JSON output, one object per line.")] = False
    csv: Annotated[bool, Parameter(negative="", show_default=False, help="CSV output with a header.")] = False
    columns: Annotated[str | None, Parameter(help="Columns to print, separated by commas.")] = None
    wide: Annotated[bool, Parameter(negative="", show_default=False, help="All columns, whatever the width.")] = False
    header: Annotated[
        bool, Parameter(name=(), negative="--no-header", show_default=False, help="Leave out the header.")
    ] = True

    @property
    def for_people(self) -> bool:
        """Whether a person reads the output on a terminal."""
        return is_terminal() and not self.json and not self.csv

    def show(self, listing: Listing[T], rows: Iterable[T], *, note: str = "") -> None:
        """Print rows. `note` is text for people, at the right end of the line below the table.

        Raises CommandError for options that contradict each other or a column that does not exist, and OutputError.
        """
        fields = self._fields(listing)
        if self.json:
            for row in rows:
                self._print_json(listing, fields, row)
        elif self.csv:
            self._print_csv(fields, rows)
        else:
            self._print_table(listing, fields, list(rows), note)

    async def stream(self, listing: Listing[T], rows: AsyncIterable[T]) -> bool:
        """Print rows as JSON lines while they arrive. Return False, with no row read, if another output is chosen."""
        fields = self._fields(listing)
        if not self.json:
            return False
        async for row in rows:
            self._print_json(listing, fields, row)
        return True

    def _fields(self, listing: Listing[T]) -> Sequence[Field[T]]:
        if self.json and self.csv:
            raise CommandError("--json and --csv exclude each other", code=USAGE)
        if self.columns is None:
            every = self.wide or self.csv
            return [field for field in listing.fields if every or not field.extra]
        known = {field.name: field for field in listing.fields}
        wanted = [name.strip() for name in self.columns.split(",") if name.strip()]
        for name in wanted:
            if name not in known:
                raise CommandError(f"no column is called {plain(name)!r}", f"Columns: {', '.join(known)}", code=USAGE)
        if not wanted:
            raise CommandError("--columns needs at least one name", f"Columns: {', '.join(known)}", code=USAGE)
        return [known[name] for name in wanted]

    def _print_json(self, listing: Listing[T], fields: Sequence[Field[T]], row: T) -> None:
        values = (
            listing.to_dict(row)
            if self.columns is None
            else {field.name: _to_json(field.value(row)) for field in fields}
        )
        print_line(json.dumps(values, separators=(",", ":")))

    def _print_csv(self, fields: Sequence[Field[T]], rows: Iterable[T]) -> None:
        if self.header:
            print_line(_csv_line([field.name for field in fields]))
        for row in rows:
            print_line(_csv_line([_to_text(field.value(row)) for field in fields]))

    def _print_table(self, listing: Listing[T], fields: Sequence[Field[T]], rows: Sequence[T], note: str) -> None:
        people = is_terminal()
        keep_all = self.wide or self.columns is not None
        lengths = {field.name: _short_length(rows, field) for field in fields if people and field.uid}
        table = Table(*(Column(_title(field, people), None if keep_all else field.dropped) for field in fields))
        for row in rows:
            cells: list[Cell] = []
            for field in fields:
                text = _shown(field.value(row), people=people)[: lengths.get(field.name)]
                cells.append(Cell(text, field.style(row) if field.style is not None else ""))
            table.add(*cells)
        total = count(len(rows), listing.kind, listing.kinds) if people else ""
        print_table(table, total, note=note if people else "", header=self.header)


def print_details(details: Iterable[tuple[str, str]], data: Mapping[str, Any], *, json_output: bool) -> None:
    """Print one thing: names with texts for people, or its data as JSON. Names without a text are left out."""
    if json_output:
        print_line(json.dumps(data, separators=(",", ":")))
        return
    shown = [(name, text) for name, text in details if text]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        print_line(f"{name:<{width}}  {text}")


def count(number: int, kind: str, kinds: str | None = None) -> str:
    """Return a number with its unit, for example `3 stacks`."""
    return f"{number:,} {kind if number == 1 else kinds or kind + 's'}"


def time_of(value: datetime | None) -> str:
    """Return a time: its distance from now for people, and in full, in UTC, for programs."""
    if value is None:
        return ""
    return ago(value, datetime.now(UTC)) if is_terminal() else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(value: datetime, now: datetime) -> str:
    """Return the time that has passed as a number with its largest unit, or the date if that is a month or more."""
    seconds = int((now - value).total_seconds())
    if seconds >= _DAYS * 86_400 or seconds < -60:
        return f"{value:%b %d}" if value.year == now.year else f"{value:%Y-%m-%d}"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("s", 1))
    return f"{max(0, seconds) // size}{unit}"


def _title(field: Field[Any], people: bool) -> str:
    return field.title if people and field.title is not None else field.name


def _model_to_dict(model: Any) -> Mapping[str, Any]:
    assert isinstance(model, Model)
    return model.to_dict(words=True)


def _short_length(rows: Iterable[T], field: Field[T]) -> int:
    """Return how many characters of the uids distinguish them."""
    uids = {str(field.value(row)) for row in rows}
    for length in range(_SHORT_UID, _UID_LENGTH):
        if len({uid[:length] for uid in uids}) == len(uids):
            return length
    return _UID_LENGTH


def _shown(value: object, *, people: bool) -> str:
    match value:
        case None:
            return _NOTHING if people else ""
        case bool():
            return ("yes" if value else "no") if people else _to_text(value)
        case datetime():
            return time_of(value)
        case _:
            return plain(_to_text(value))


def _to_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case _:
            return str(value)


def _to_json(value: object) -> object:
    if isinstance(value, datetime | enum.Enum):
        return _to_text(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _csv_line(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
