"""Ways to connect to a sandbox: as a transport, as an ASGI application, and as a server on a local port."""
