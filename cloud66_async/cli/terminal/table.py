"""Tables of text: aligned columns, which lose the least important ones if the terminal is narrow.

They are drawn here and not by rich, whose tables take 0.2 seconds for 600 rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

__all__ = ["Cell", "Column", "Table", "fit", "paint"]

_GAP = "  "
_CODES = {"green": "32", "yellow": "33", "red": "1;31", "cyan": "36", "dim": "2"}


class Column(NamedTuple):
    """A column.

    Args:
        title: Name of the column.
        dropped: Place in the order in which columns are left out of a narrow table. None keeps the column.
    """

    title: str
    dropped: int | None = None


class Cell(NamedTuple):
    """Text with a color: green, yellow, red, cyan, dim, or none if it is empty."""

    text: str
    style: str = ""


class Table:
    """Rows of text below the titles of their columns."""

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self.rows: list[tuple[Cell, ...]] = []

    def add(self, *cells: str | Cell) -> None:
        """Add a row with one cell for each column."""
        self.rows.append(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells))

    def lines(self, width: int | None = None, *, colors: bool = False, header: bool = True) -> Iterator[str]:
        """Yield the titles, with `header`, and the rows.

        Columns are left out until the table fits into `width`. If that does not suffice, the lines are wider: what is
        left, such as names and addresses, is of no use if it is cut.
        """
        if not self.rows:
            return
        titles = tuple(Cell(column.title.upper(), "dim") for column in self._columns)
        widths = [
            max(cell_len(cells[number].text) for cells in ((titles, *self.rows) if header else self.rows))
            for number in range(len(titles))
        ]
        shown = self._shown(widths, width)
        for cells in (titles, *self.rows) if header else self.rows:
            yield _line(cells, widths, shown, colors=colors)

    def _shown(self, widths: Sequence[int], width: int | None) -> list[int]:
        """Return the numbers of the columns that fit."""
        shown = list(range(len(widths)))
        order = sorted((column.dropped, number) for number, column in enumerate(self._columns) if column.dropped)
        for _, number in order:
            if width is None or sum(widths[index] for index in shown) + len(_GAP) * (len(shown) - 1) <= width:
                break
            shown.remove(number)
        return shown


def _line(cells: Sequence[Cell], widths: Sequence[int], shown: Sequence[int], *, colors: bool) -> str:
    parts: list[str] = []
    for number in shown:
        text, style = cells[number]
        padding = "" if number == shown[-1] else " " * (widths[number] - cell_len(text))
        parts.append(paint(text, style) + padding if colors and style else text + padding)
    return _GAP.join(parts)


def paint(text: str, style: str) -> str:
    """Return text with the codes of a color."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def fit(text: str, width: int) -> str:
    """Return text cut to a number of columns, with an ellipsis if something is missing."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, max(0, width - 1)).rstrip()}…"
