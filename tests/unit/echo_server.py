"""An HTTP/2 server with TLS that repeats the secrets of each request in its response, in a process of its own.

Run as `python -m tests.unit.echo_server CERTIFICATE`; it prints its port. It runs outside the test process because the
tests read everything that libraries log there.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

import h2.config
import h2.connection
import h2.events


class Connection(asyncio.Protocol):
    """One connection. Every response is an error whose headers and body repeat what was sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.requests: dict[int, tuple[str, bytearray]] = {}
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.state.initiate_connection()
        transport.write(self.state.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.state.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = {bytes(name): bytes(value).decode() for name, value in event.headers or ()}
                self.requests[event.stream_id] = headers.get(b"authorization", ""), bytearray()
            elif isinstance(event, h2.events.DataReceived):
                self.requests[event.stream_id][1].extend(event.data)
            elif isinstance(event, h2.events.StreamEnded):
                self.respond(event.stream_id, *self.requests.pop(event.stream_id))
        self.transport.write(self.state.data_to_send())

    def respond(self, stream: int, authorization: str, body: bytearray) -> None:
        token = authorization.removeprefix("Bearer ")
        content = json.dumps({"error": "invalid_token", "error_description": f"{token} {body.decode()} unknown"})
        headers = [(":status", "401"), ("x-repeated", f"{token} {body.decode()}"), ("set-cookie", f"token={token}")]
        self.state.send_headers(stream, headers)
        self.state.send_data(stream, content.encode(), end_stream=True)


async def main(certificate: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
