"""One measurement in a process of its own: `python -m benchmarks.worker '{"kind": ...}'` prints the result."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import jobs, local, stress
from .rows import ROWS, Job, Target, one_by_one
from .samples import uid

_WARM_UP = 200


def _items(job: Job, count: int) -> Iterator[Any]:
    return (number + 1 if job.what == "page" else uid(number) for number in range(count))


async def requests(job: Job) -> dict[str, float]:
    """Return CPU time and elapsed time of `job`, after a warm-up that opens the connections."""
    row = ROWS[job.row]
    # With one request in flight, run a plain loop: tasks that only wait for each other would add a cost of their own.
    run = row.run if job.in_flight > 1 else one_by_one
    async with row.open(job) as fetch:
        await run(fetch, _items(job, max(min(_WARM_UP, job.count), 2 * job.in_flight)), job.in_flight)
        cpu, start = time.process_time(), time.perf_counter()
        await run(fetch, _items(job, job.count), job.in_flight)
        cpu, elapsed = time.process_time() - cpu, time.perf_counter() - start
    return {"cpu": cpu / job.count * 1e6, "seconds": elapsed, "rate": job.count / elapsed, "peak": _peak_memory()}


def _peak_memory() -> float:
    """Return the peak memory of this process in MiB: the kernel's figure, counted since the process was executed."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    options: dict[str, Any] = json.loads(sys.argv[1])
    core = options.pop("core", None)
    if core is not None:
        os.sched_setaffinity(0, {core})
    warnings.simplefilter("ignore")
    logging.disable()
    kind = options.pop("kind")
    if "target" in options:
        options["target"] = Target(**options["target"])
    print(json.dumps(_measure(kind, options)))


def _measure(kind: str, options: dict[str, Any]) -> dict[str, float]:
    match kind:
        case "requests":
            return asyncio.run(requests(Job(**options)))
        case "local":
            return local.MEASUREMENTS[options["name"]](options["quick"])
        case "job":
            return asyncio.run(jobs.run_job(**options))
        case "route":
            from . import route  # imported lazily: FastAPI and uvicorn would be part of the other measurements

            runner: Any = import_module("uvloop" if find_spec("uvloop") else "asyncio")
            measured: dict[str, float] = runner.run(route.measure_route(**options))
            return measured
        case "waiting":
            from . import waiting  # imported lazily, as above

            return asyncio.run(waiting.measure_waiting(**options))
        case "rollout":
            from . import waiting

            return asyncio.run(waiting.measure_rollout(**options))
        case _:
            return asyncio.run(stress.SCENARIOS[kind](**options))


if __name__ == "__main__":
    main()
