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

from ..._core.model import Model
from ..exits import USAGE, CommandError
from .console import is_terminal, plain, print_line, print_table, warn
from .table import Cell, Column, Table

__all__ = ["Field", "Listing", "Output", "ago", "count", "print_details", "time_of"]

T = TypeVar("T")
M = TypeVar("M", bound=Model)

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
        shown: Function that returns the text for a terminal, where it differs from the value.
        style: Function that returns the color of a row's cell: green, yellow, red, cyan, dim or an empty string.
        dropped: Place in the order in which columns are left out of a narrow table. None keeps the column.
        extra: Whether the column is only shown with `--wide` or if `--columns` names it.
        uid: Whether the value is a uid, which is shortened on a terminal as far as it stays unique.
    """

    name: str
    value: Callable[[T], object]
    title: str | None = None
    shown: Callable[[T], str] | None = None
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

    @property
    def plural(self) -> str:
        """What several rows are."""
        return self.kinds or f"{self.kind}s"

    @staticmethod
    def of_models(kind: str, *fields: Field[M], kinds: str | None = None) -> Listing[M]:
        """Return a listing of models, whose JSON has all fields, with words for numbered states."""
        return Listing(kind, fields, _model_to_dict, kinds)


@Parameter(name="*", group="Output")
@attrs.frozen(kw_only=True)
class Output:
    """Options that choose how a listing is printed."""

    json: Annotated[bool, Parameter(negative="", show_default=False, help="JSON output, one object per line.")] = False
    csv: Annotated[bool, Parameter(negative="", show_default=False, help="CSV output with a header.")] = False
    columns: Annotated[str | None, Parameter(help="Columns to print, separated by commas.")] = None
    wide: Annotated[bool, Parameter(negative="", show_default=False, help="All columns, whatever the width.")] = False
    no_header: Annotated[bool, Parameter(negative="", show_default=False, help="Omit the header.")] = False

    @property
    def for_people(self) -> bool:
        """Whether a person reads the output on a terminal."""
        return is_terminal() and not self.json and not self.csv

    def check(self, listing: Listing[Any]) -> None:
        """Raise CommandError for options that contradict each other or a column that does not exist.

        Call it before the first request. `show` and `stream` check, too.
        """
        self._fields(listing)

    def show(
        self,
        listing: Listing[T],
        rows: Iterable[T],
        *,
        note: str = "",
        summary: str | None = None,
        empty: Sequence[str] = (),
    ) -> None:
        """Print rows.

        Args:
            listing: What the rows look like.
            rows: The rows.
            note: Text for people, at the right end of the line below the table.
            summary: Text for people at its left end. The default is the number of rows.
            empty: Lines that take the place of an empty table: that there is nothing, and what to do.

        Raises CommandError like `check`, and OutputError.
        """
        fields = self._fields(listing)
        if self.json:
            for row in rows:
                self._print_json(listing, fields, row)
        elif self.csv:
            self._print_csv(fields, rows)
        else:
            found = list(rows)
            if not found:
                for line in empty or (f"No {listing.plural}",):
                    warn(line)
                return
            people = is_terminal()
            text = (count(len(found), listing.kind, listing.kinds) if summary is None else summary) if people else ""
            print_table(self._table(fields, found), text, note=note if people else "", header=not self.no_header)

    async def stream(self, listing: Listing[T], rows: AsyncIterable[T]) -> bool:
        """Print rows as JSON or CSV while they arrive. Return False, with no row read, if a table is to be printed."""
        fields = self._fields(listing)
        if not self.json and not self.csv:
            return False
        if self.csv:
            self._print_csv(fields, ())
        async for row in rows:
            if self.json:
                self._print_json(listing, fields, row)
            else:
                print_line(_csv_line([_to_text(field.value(row)) for field in fields]))
        return True

    def table(self, listing: Listing[T], rows: Sequence[T]) -> Table:
        """Return rows as a table for a terminal."""
        return self._table(self._fields(listing), rows)

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
        if not self.no_header:
            print_line(_csv_line([field.name for field in fields]))
        for row in rows:
            print_line(_csv_line([_to_text(field.value(row)) for field in fields]))

    def _table(self, fields: Sequence[Field[T]], rows: Sequence[T]) -> Table:
        people = is_terminal()
        keep_all = self.wide or self.columns is not None
        lengths = {field.name: _short_length(rows, field) for field in fields if people and field.uid}
        table = Table(*(Column(_title(field, people), None if keep_all else field.dropped) for field in fields))
        for row in rows:
            cells: list[Cell] = []
            for field in fields:
                text = _shown(row, field, people=people)[: lengths.get(field.name)]
                cells.append(Cell(text, field.style(row) if field.style is not None else ""))
            table.add(*cells)
        return table


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


def _model_to_dict(model: Model) -> Mapping[str, Any]:
    return model.to_dict(words=True)


def _short_length(rows: Iterable[T], field: Field[T]) -> int:
    """Return how many characters of the uids distinguish them."""
    uids = {str(field.value(row)) for row in rows}
    for length in range(_SHORT_UID, _UID_LENGTH):
        if len({uid[:length] for uid in uids}) == len(uids):
            return length
    return _UID_LENGTH


def _shown(row: T, field: Field[T], *, people: bool) -> str:
    if people and field.shown is not None:
        return plain(field.shown(row)) or _NOTHING
    match value := field.value(row):
        case None:
            return _NOTHING if people else ""
        case bool():
            return ("yes" if value else "no") if people else _to_text(value)
        case datetime():
            return time_of(value)
        case _:
            text = _to_text(value)  # whole: what is cut without a sign misleads
            return plain(text, max_length=len(text)) or (_NOTHING if people else "")


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
    csv.writer(line, lineterminator="\r\n").writerow(values)  # with another one, line breaks in values are not quoted
    return line.getvalue().removesuffix("\r\n")
