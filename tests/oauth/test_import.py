"""Import cost of logins: modules without I/O import neither Authlib nor an HTTP library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloud66_async import oauth

LIGHT = ["token_response", "callback", "login", "form", "endpoints", "store", "file_store", "loopback", "listener"]


@pytest.mark.parametrize("module", ["", *(f".{name}" for name in LIGHT)])
def test_light_modules_import_no_http_library(module: str) -> None:
    script = f"import sys, cloud66_async.oauth{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"authlib", "httpx", "httpx2", "httpcore", "keyring", "platformdirs", "filelock", "webbrowser"}
    allowed = {"webbrowser"} if module == ".loopback" else set[str]()
    assert heavy & set(loaded) == allowed


def test_every_public_name_is_importable() -> None:
    for name in oauth.__all__:
        assert getattr(oauth, name) is not None
    assert set(oauth.__all__) == set(oauth._MODULES)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        getattr(oauth, "missing")  # noqa: B009
