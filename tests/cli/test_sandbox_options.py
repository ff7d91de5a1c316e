"""Options of the command `sandbox` for TLS and faults."""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloud66_async.cli.commands._sandbox_faults import FAULTS, Fault, inject
from cloud66_async.sandbox import Faults

from .conftest import Terminal
from .test_sandbox import count_of, running


def test_tls_with_the_printed_authority(terminal: Terminal) -> None:
    with running(terminal, "--stacks", "3", "--tls") as (printed, settings):
        authority = re.findall(r"export SSL_CERT_FILE=(\S+)", printed)[0]
        assert settings["CLOUD66_URL"].startswith("https://127.0.0.1:")
        assert count_of(terminal, {**settings, "SSL_CERT_FILE": authority}) == 3
        refused = terminal.run("stacks", environment=settings)
        assert refused.returncode == 1
        assert "certificate" in refused.stderr
    assert not Path(authority).exists()


def test_latency(terminal: Terminal) -> None:
    with running(terminal, "--stacks", "3", "--latency", "0.3") as (_, settings):
        connection = http.client.HTTPConnection(urlsplit(settings["CLOUD66_URL"]).netloc, timeout=10)
        started = time.monotonic()
        connection.request("GET", "/api/3/ping.json")
        assert connection.getresponse().status == 200
        assert time.monotonic() - started >= 0.3
        connection.close()
    refused = terminal.run("sandbox", "--latency", "-1")
    assert refused.returncode == 2
    assert "Must be >= 0" in refused.stderr


def test_faults_are_named_and_injected(terminal: Terminal) -> None:
    with running(terminal, "--stacks", "3", "--fault", "html", "--fault", "slow=0.5") as (printed, _):
        assert "Faults, each with its share of the requests or actions: html=0.1, slow=0.5" in printed


def test_unknown_fault_lists_the_known_ones(terminal: Terminal) -> None:
    result = terminal.run("sandbox", "--fault", "explode")
    assert result.returncode == 2
    for name in FAULTS:
        assert name in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("share", ["0", "1.5", "nan", "", "often"])
def test_a_share_that_is_not_possible(terminal: Terminal, share: str) -> None:
    result = terminal.run("sandbox", "--fault", f"action-fails={share}")
    assert result.returncode == 2
    assert "expected a number above 0 and up to 1, such as action-fails=0.5" in result.stderr


def test_a_fault_of_every_action(terminal: Terminal) -> None:
    with running(terminal, "--stacks", "1", "--fault", "action-fails=1") as (_, settings):
        done = terminal.run("redeploy", "web/production", "--no-wait", environment=settings)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_applies_to_some_requests(name: str) -> None:
    faults = Faults()
    inject(faults, [Fault(name)])
    if name == "action-fails":
        found = sum(faults.take_failure("stack_redeploy") is not None for _ in range(1000))
    else:
        found = sum(faults.take(["stacks.list"]) is not None for _ in range(1000))
    assert 50 < found < 200
