"""The shared connection pool: HTTP/1.1 over asyncio.

It is independent of every HTTP library, and of the SDK except for the form of a request. `Pool` holds the connections;
`PoolTransport` sends the SDK's requests through it.
"""

from .._core.origin import Origin
from .pool import Pool
from .response import PoolResponse, StreamedResponse, Streaming
from .transport import PoolTransport

__all__ = ["Origin", "Pool", "PoolResponse", "PoolTransport", "StreamedResponse", "Streaming"]
