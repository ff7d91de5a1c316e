"""Calls for many items in several processes: `each` and `rollout` over an engine such as Dask.

An engine carries batches of items to worker processes, each of which has one client and one connection pool. `Engine`
is the protocol that an engine implements, `LocalEngine` one that needs no other package.
"""

from .batches import Batch, BatchOutcome, EngineError
from .calls import each, rollout
from .claims import Claim, Claims
from .engine import Engine
from .local import LocalEngine
from .progress import progress_bar
from .rollouts import ClusterRollout
from .running import Progress
from .worker import Connect, StoredLogin, Worker

__all__ = [
    "Batch",
    "BatchOutcome",
    "Claim",
    "Claims",
    "ClusterRollout",
    "Connect",
    "Engine",
    "EngineError",
    "LocalEngine",
    "Progress",
    "StoredLogin",
    "Worker",
    "each",
    "progress_bar",
    "rollout",
]
