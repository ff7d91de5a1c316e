from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import LogSeverity


async def main(c66: Cloud66, operation: str) -> None:
    """Show the warnings and errors of an operation and of those that it started."""
    async for entry in c66.operation_logs.list(
        operation, min_severity=LogSeverity.WARNING, include_children=True
    ):
        print(entry.time, entry.severity, entry.message)
