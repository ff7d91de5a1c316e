"""The shared connection pool: HTTP/1.1 on asyncio, plain values in and out.

It knows nothing of the SDK but the shape of a request, and nothing of any HTTP library. `Pool` holds the
connections, `PoolTransport` is the sender's way to them.
"""

from .._core.origin import Origin
from .pool import Pool
from .response import PoolResponse, StreamedResponse, Streaming
from .transport import PoolTransport

__all__ = ["Origin", "Pool", "PoolResponse", "PoolTransport", "StreamedResponse", "Streaming"]
