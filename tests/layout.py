"""Check the rules of CONTRIBUTING.md that a program can check: `nox -s layout`.

The package is parsed, not imported, so nothing has to be installed. A check yields one line for each violation.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cloud66_async"

MODULE_LINES = 400
FUNCTION_LINES = 40

# Public functions with `**kwargs`, each with its reason.
KEYWORD_ARGUMENTS = {
    "Cloud66OAuth2Client.create_authorization_url": "overrides a method of Authlib",
    "Form.__init__": "the names are those of the form's fields",
    "RequestLog.assert_called": "the names are those of the operation's parameters",
    "RequestLog.assert_not_called": "the names are those of the operation's parameters",
    "Operation.bind": "the path template decides which names there are",
    "Session.__init__": "Authlib's options, passed on to the HTTP library",
    "Session.request": "overrides a method of Authlib",
    "Session.stream": "overrides a method of Authlib",
}

# Words that are not used in names, each with the term to use instead.
REPLACED_WORDS = {
    "ahead": "prefetch",
    "answer": "response",
    "answers": "responses",
    "asking": "context",
    "gate": "limiter",
    "lane": "transport",
    "lanes": "transports",
    "moment": "timestamp",
    "moments": "timestamps",
    "patience": "timeout",
    "places": "limiter",
    "within": "timeout",
}
REPLACED_NAMES = {
    "Broken": "ConnectionLost",
    "BulkReport": "BatchReport",
    "Fetched": "BatchResult",
    "Head": "SharedHeaders",
    "Incoming": "Request",
    "OpenInt": "OpenIntEnum",
    "OpenText": "OpenStrEnum",
    "Seen": "RecordedRequest",
    "ServerTimedOut": "RequestTimeout",
    "Stale": "StaleConnection",
    "at": "bind",
    "longest": "max_pause",
    "shape": "returns",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Module(NamedTuple):
    """A parsed file of the package. `definitions` excludes what only type checkers read."""

    path: Path
    tree: ast.Module
    definitions: dict[str, Definition]

    def at(self, name: str, node: ast.AST | None = None) -> str:
        """Return the start of a message about `name`."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {name}"


def modules() -> list[Module]:
    """Return every module of the package."""
    found: list[Module] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        found.append(Module(path, tree, dict(_definitions(tree))))
    return found


def _definitions(parent: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield classes, methods and functions with their qualified names."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Definition):
            yield prefix + node.name, node
            separator = "." if isinstance(node, ast.ClassDef) else ".<locals>."
            yield from _definitions(node, prefix + node.name + separator)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _definitions(node, prefix)


def sizes(package: list[Module]) -> Iterator[str]:
    """Check the lines of modules, and of functions without their signature and docstring."""
    for module in package:
        lines = module.path.read_text(encoding="utf-8").count("\n")
        if lines > MODULE_LINES:
            yield module.at(f"{lines} lines, at most {MODULE_LINES} allowed")
        for name, node in module.definitions.items():
            body = node.body[ast.get_docstring(node) is not None :]
            if not isinstance(node, ast.ClassDef) and body:
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                if lines > FUNCTION_LINES:
                    yield module.at(f"{name}: {lines} lines, at most {FUNCTION_LINES} allowed", node)


def inheritance(package: list[Module]) -> Iterator[str]:
    """Check that no class has a grandparent in the package. Only errors form a tree."""
    classes = {
        (module.path, node.name): (module, node)
        for module in package
        for node in module.definitions.values()
        if isinstance(node, ast.ClassDef)
    }

    def parents(module: Module, node: ast.ClassDef) -> list[tuple[Module, ast.ClassDef]]:
        names = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
        return [classes[path, name] for name in names for path in _origins(module, name) if (path, name) in classes]

    def is_error(module: Module, node: ast.ClassDef) -> bool:
        return node.name == "Cloud66Error" or any(is_error(*parent) for parent in parents(module, node))

    for module, node in classes.values():
        if not is_error(module, node):
            for owner, parent in parents(module, node):
                if parents(owner, parent):
                    yield module.at(
                        f"{node.name}: inherits from {parent.name}, which has a base class of its own", node
                    )


def _origins(module: Module, name: str) -> Iterator[Path]:
    """Yield the files that may define a name: that from which the module imports it, or its own."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            folder = module.path.parents[node.level - 1] if node.level else ROOT
            target = folder.joinpath(*(node.module or "").split("."))
            yield from (target.with_suffix(".py"), target / "__init__.py")
            return
    yield module.path


def keyword_arguments(package: list[Module]) -> Iterator[str]:
    """Check that public functions name their parameters, unless they pass on those of another function."""
    unused = set(KEYWORD_ARGUMENTS)
    for module in package:
        for name, node in module.definitions.items():
            argument = None if isinstance(node, ast.ClassDef) else node.args.kwarg
            if argument is None or ast.unparse(argument).endswith(": P.kwargs"):
                continue
            if _is_public(name, special=True) and name not in KEYWORD_ARGUMENTS:
                yield module.at(f"{name}: name the parameters instead of **{argument.arg}", node)
            unused.discard(name)
    for name in sorted(unused):
        yield f"tests/layout.py: KEYWORD_ARGUMENTS: {name} does not have **kwargs"


def docstrings(package: list[Module]) -> Iterator[str]:
    """Check that every public name has a docstring."""
    for module in package:
        if not ast.get_docstring(module.tree) and module.path.name != "__main__.py":
            yield module.at("no docstring")
        for name, node in module.definitions.items():
            decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if _is_public(name) and not decorators & {"overload", "override", "setter"} and not ast.get_docstring(node):
                yield module.at(f"{name}: no docstring", node)


def _is_public(name: str, *, special: bool = False) -> bool:
    """Return whether no part of a qualified name is private. `special` includes names such as `__init__`."""
    return not any(part.startswith(("_", "<")) and not (special and part.endswith("__")) for part in name.split("."))


def resources(_: list[Module]) -> Iterator[str]:
    """Check that the API, the sandbox and the tests have one file for each resource, with the same name."""
    api, sandbox, tests = (
        {path.name: path for path in folder.glob("[a-z]*.py") if path.name != "common.py"}
        for folder in (PACKAGE / "resources", PACKAGE / "sandbox" / "resources", ROOT / "tests" / "resources")
    )
    for name in sorted(api.keys() - sandbox.keys()):
        yield f"cloud66_async/resources/{name}: no cloud66_async/sandbox/resources/{name}"
    for name in sorted(sandbox.keys() - api.keys()):
        yield f"cloud66_async/sandbox/resources/{name}: no cloud66_async/resources/{name}"
    for name in sorted(api.keys() - {test.removeprefix("test_") for test in tests}):
        yield f"cloud66_async/resources/{name}: no tests/resources/test_{name}"


def layers(_: list[Module]) -> Iterator[str]:
    """Check that each module of `_core` has a layer. import-linter checks the rest of the package."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    listed = {name for layer in contracts[0]["layers"] for name in layer.split(" | ")}
    for path in sorted((PACKAGE / "_core").glob("*.py")):
        if path.stem != "__init__" and f"_core.{path.stem}" not in listed:
            yield f"pyproject.toml: layers: _core.{path.stem} is missing"


def vocabulary(package: list[Module]) -> Iterator[str]:
    """Check that names use the terms of the field."""
    for module in package:
        used = {name: node for node in ast.walk(module.tree) for name in _names(node)}
        for name, node in {module.path.stem: module.tree, **used}.items():
            words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
            for term in {REPLACED_WORDS.get(word) for word in words} | {REPLACED_NAMES.get(name.lstrip("_"))}:
                if term is not None:
                    yield module.at(f"{name}: the term is {term!r}", node)


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node defines or uses."""
    for field in ("name", "id", "attr", "arg", "asname"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value


CHECKS = (sizes, inheritance, keyword_arguments, docstrings, resources, layers, vocabulary)


def main() -> int:
    """Print what is wrong. Return the exit code."""
    package = modules()
    problems = [problem for check in CHECKS for problem in check(package)]
    sys.stdout.write("\n".join(problems or [f"{len(package)} modules checked"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
