"""The check for printed secrets."""

from __future__ import annotations

import logging

import pytest

from .conftest import Vault
from .provider import secret_of


def test_secret_in_the_log_is_detected(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpcore.http11").debug("sent %s", secret_of("app"))
    assert vault.found_in(caplog.text) == {secret_of("app")}
    caplog.clear()
