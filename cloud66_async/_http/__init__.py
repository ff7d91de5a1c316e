"""The only package that imports the HTTP library and Authlib.

Authlib builds its client on `httpx2` if that is installed, and otherwise on `httpx`. The two libraries do not mix: an
error, a transport or a timeout of one means nothing to the other. So `library` asks Authlib's client which library it
is built on and binds to that one. `httpx_transport` sends the SDK's requests through the library, and `adapter` offers
the SDK's connection pool to the library's clients.
"""
