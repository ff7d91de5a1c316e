"""The only place that imports the HTTP library and Authlib.

Authlib builds its client on `httpx2` where that is installed and on `httpx` where it is not. The two
do not mix: an error, a transport or a timeout of the one is nothing to the other. So `library` asks
Authlib's client what it is made of and binds to that; `lane` sends the SDK's requests through it,
`transport` offers the SDK's pool to it.
"""
