"""The code blocks of the pages, and a way to run them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, cast

from cloud66_async import Action, Cloud66
from cloud66_async.sandbox import FakeStack

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    *sorted((ROOT / "docs" / "explain").glob("*.md")),
    *sorted((ROOT / "docs" / "reference").glob("*.md")),  # only those written by hand
)
MARK = "<!-- not run: "

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block. `line` is the number of its first line of code in the file."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of this language in order. A block does not run if a line with MARK is directly above it."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        if fence[1] == language:
            before = text[: fence.start()].rstrip("\n").rpartition("\n")[2]
            line = text.count("\n", 0, fence.start()) + 2
            found.append(Block(page, line, language, fence[2], not before.startswith(MARK)))
    return found


async def run(
    block: Block,
    names: dict[str, Any],
    *,
    after: Callable[[dict[str, Any]], Awaitable[None]],
    fixture: Callable[[str], object],
) -> None:
    """Run a block and call `after` after each statement. Then run the `main` and the tests that it defines."""
    before = dict(names)
    for code in _statements(block):
        found = eval(code, names)
        if inspect.iscoroutine(found):
            await found
        await after(names)
    for name, value in list(names.items()):
        if before.get(name) is not value and inspect.iscoroutinefunction(value):
            if name == "main":
                await value()
            elif name.startswith("test_"):
                await value(*map(fixture, inspect.signature(value).parameters))


def _statements(block: Block) -> Iterator[CodeType]:
    # Padded with empty lines, so that a traceback shows the line of the page.
    source = "\n" * (block.line - 1) + block.text
    for statement in ast.parse(source, str(block.page)).body:
        module = ast.Module([statement], [])
        code = compile(module, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        yield cast("CodeType", code)


def resource_names(c66: Cloud66, stack: FakeStack, started: Action) -> dict[str, Any]:
    """Return the names that the examples of the resources use: a client, and identifiers of the sandbox."""
    server = stack.servers[0]
    return {
        "c66": c66,
        "account": 1,
        "group": server["server_group_id"],
        "operation": str(started.id),
        "server": server["uid"],
        "stack": stack.uid,
        "uids": [stack.uid],
        "user": 101,
    }
