"""One measurement in a process of its own: `python -m benchmarks.worker '{"kind": ...}'` prints what it saw."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import local, trials
from .rows import ROWS, Job, Target, one_by_one
from .samples import uid

_WARM_UP = 200


def _items(job: Job, count: int) -> Iterator[Any]:
    return (number + 1 if job.what == "page" else uid(number) for number in range(count))


async def requests(job: Job) -> dict[str, float]:
    """Processor time and duration of `job`, after a warm-up that opens the connections."""
    row = ROWS[job.row]
    # One at a time is a plain loop: started all at once they would only queue, at a price of its own.
    spread = row.spread if job.flight > 1 else one_by_one
    async with row.opened(job) as fetch:
        await spread(fetch, _items(job, max(min(_WARM_UP, job.count), 2 * job.flight)), job.flight)
        cpu, start = time.process_time(), time.perf_counter()
        await spread(fetch, _items(job, job.count), job.flight)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - start
    return {"cpu": cpu / job.count * 1e6, "seconds": wall, "rate": job.count / wall, "peak": _peak()}


def _peak() -> float:
    """The most memory that this process had, in MiB (the kernel's high-water mark, since it was executed)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    asked: dict[str, Any] = json.loads(sys.argv[1])
    core = asked.pop("core", None)
    if core is not None:
        os.sched_setaffinity(0, {core})
    warnings.simplefilter("ignore")
    logging.disable()
    kind = asked.pop("kind")
    if "target" in asked:
        asked["target"] = Target(**asked["target"])
    if kind == "requests":
        result: Any = asyncio.run(requests(Job(**asked)))
    elif kind == "local":
        result = local.MEASURES[asked["name"]](asked["quick"])
    else:
        result = asyncio.run(trials.TRIALS[kind](**asked))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
