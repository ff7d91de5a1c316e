"""What the tests of `env` have in common: a stack with variables, and commands that are run against it."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Mapping

from cloud66_async import Cloud66
from cloud66_async.sandbox import SandboxServer
from cloud66_async.sandbox.stack import FakeStack

from .conftest import Terminal

__all__ = ["NASTY", "Commands", "values_of"]

# Values that a format might damage: each of them has to survive.
NASTY: Mapping[str, str] = {
    "BACKSLASHES": "a\\b \\n \\\\ ends with \\",
    "CERTIFICATE": "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n",
    "CRLF": "one\r\ntwo\rthree",
    "DOLLAR": "$HOME ${HOME} $(id) `id` !x",
    "EMPTY": "",
    "HASH": "a # b",
    "JSON": '{"a": [1, "two"]}',
    "LONG": "0123456789abcdef" * 4096,  # 64 KiB
    "QUOTES": "it's \"quoted\" 'twice'",
    "SPACES": "  around  ",
    "TAB": "a\tb\x0b\x0c",
    "UNICODE": "zażółć 日本 🚀 \u2028 \u200b",
}
_numbers = itertools.count(1)


def values_of(site: SandboxServer, stack: FakeStack) -> dict[str, str]:
    """Return the variables that a stack has, as the API lists them."""

    async def read() -> dict[str, str]:
        async with Cloud66(site.fake.add_token(), url=site.url) as c66:
            found = await c66.environment_variables.list(stack.uid)
        return {variable.key: variable.value.reveal() for variable in found if variable.value is not None}

    return asyncio.run(read())


class Commands:
    """Runner of `cloud66-async` in a pipe, logged in to a sandbox. `stack` makes stacks."""

    def __init__(self, terminal: Terminal, site: SandboxServer, access: Mapping[str, str]) -> None:
        self.terminal = terminal
        self.site = site
        self.access = dict(access)

    def stack(self, environment: str = "staging", /, name: str | None = None, **variables: str) -> FakeStack:
        """Add a stack with these variables, besides those that every stack has."""
        stack = self.site.fake.add_stack(name or f"shop-{next(_numbers)}x", environment=environment)
        for key, value in variables.items():
            self.site.fake.add("environment variable", stack, {"key": key, "value": value})
        return stack

    def run(
        self, *arguments: str | FakeStack, stdin: str = "", code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, in which stacks stand for their uids, and check its exit code."""
        words = [word if isinstance(word, str) else word.uid for word in arguments]
        done = self.terminal.run(*words, stdin=stdin, environment={**self.access, **environment})
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done
