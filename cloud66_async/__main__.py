"""`python -m cloud66_async` is the command `cloud66-async`."""

from .cli import main

main()
