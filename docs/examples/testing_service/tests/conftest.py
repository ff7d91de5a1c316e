from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from service import create_app

from cloud66_async import Retry
from cloud66_async.testing import FakeCloud66


@pytest.fixture
async def http(cloud66: FakeCloud66) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, whose own client is one of the sandbox."""
    async with cloud66.client(retry=Retry(attempts=1)) as c66:
        transport = httpx.ASGITransport(create_app(c66))
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
            yield client
