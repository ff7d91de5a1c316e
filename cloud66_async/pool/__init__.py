"""The shared connection pool: HTTP/1.1 on asyncio, plain values in and out.

It knows nothing of the SDK but the shape of a request, and nothing of any HTTP library. `Pool` holds the
connections, `PoolLane` is the sender's way to them.
"""

from .answer import PoolAnswer, StreamedAnswer, Streaming
from .lane import PoolLane
from .outgoing import Origin
from .pool import Pool

__all__ = ["Origin", "Pool", "PoolAnswer", "PoolLane", "StreamedAnswer", "Streaming"]
