"""A progress bar for `each` and `rollout`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import ConfigError
from .running import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(description: str = "items") -> Generator[Progress]:
    """Show a progress bar on standard error while the block runs. Pass what it returns as `progress`.

    Raises ConfigError if the package `rich` is not installed.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bars, TextColumn, TimeRemainingColumn
    except ImportError:
        raise ConfigError("the progress bar requires an optional package; run: pip install rich") from None

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(description, total=None, failed=0)

        def update(done: int, failed: int, total: int | None) -> None:
            bars.update(task, completed=done, total=total, failed=failed)

        yield update
