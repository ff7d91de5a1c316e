"""Ways to reach a sandbox: in process, as an ASGI application, and as a server on a local port."""
