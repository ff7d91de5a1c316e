from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import cloud66_async


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that are imported after `code` ran in a new process."""
    script = textwrap.dedent(code) + "\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in done.stdout.split()}


HEAVY = {"httpx", "httpx2", "httpcore", "authlib", "anyio", "starlette", "uvicorn", "rich", "cyclopts", "email"}


def test_import_of_the_package_is_light() -> None:
    assert modules_after("import cloud66_async; cloud66_async.Cloud66; cloud66_async.Stack") & HEAVY == set()


def test_creating_a_client_and_a_view_is_light() -> None:
    code = """
        from cloud66_async import Cloud66
        c66 = Cloud66("token")
        c66.using(token="other").stacks
    """
    assert modules_after(code) & (HEAVY - {"email"}) == set()


def test_public_names_exist_and_are_listed() -> None:
    for name in cloud66_async.__all__:
        assert getattr(cloud66_async, name) is not None
    assert set(dir(cloud66_async)) == set(cloud66_async.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        cloud66_async.Nothing  # noqa: B018


def test_public_names_have_docstrings() -> None:
    for name in cloud66_async.__all__:
        public = getattr(cloud66_async, name)
        assert name == "__version__" or public.__doc__, name
