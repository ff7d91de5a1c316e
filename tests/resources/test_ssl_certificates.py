"""SSL certificates: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from cloud66_async import BadRequest, NotFound, Secret, models
from cloud66_async.models import SslCertificate, SslCertificateStatus
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/ssl_certificates"

DOCUMENTED: Documented = {
    models.SslCertificate: """
        uuid name server_group_id server_names sha256_fingerprint ca_name type wildcard dns_provider_uuid
        ssl_termination has_intermediate_cert status certificate key intermediate_certificate created_at updated_at
        expires_at
    """,
    models.SslCertificateStatus: {
        -1: "not applicable", 0: "not installed", 1: "installing", 2: "failed", 3: "installed", 4: "removing",
    },
}  # fmt: skip

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.ssl_certificates.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.ssl_certificates.get("a", "ssl-1"), ("GET", f"{PATH}/ssl-1.json", None)),
    (
        lambda c66: c66.ssl_certificates.create(
            "a",
            type="lets_encrypt",
            server_names=["example.com", "*.example.com"],
            ssl_termination=True,
            wildcard=True,
            dns_provider_uuid="dp-1",
        ),
        (
            "POST",
            f"{PATH}.json",
            {
                "ssl_certificate": {
                    "type": "lets_encrypt",
                    "server_names": "example.com,*.example.com",
                    "ssl_termination": True,
                    "wildcard": True,
                    "dns_provider_uuid": "dp-1",
                }
            },
        ),
    ),
    (
        lambda c66: c66.ssl_certificates.update(
            "a",
            "ssl-1",
            type="manual",
            server_names=("example.com",),
            ssl_termination=False,
            certificate="PEM",
            key=Secret("KEY"),
            intermediate_certificate="CHAIN",
        ),
        (
            "PUT",
            f"{PATH}/ssl-1.json",
            {
                "ssl_certificate": {
                    "type": "manual",
                    "server_names": "example.com",
                    "ssl_termination": False,
                    "certificate": "PEM",
                    "key": "KEY",
                    "intermediate_certificate": "CHAIN",
                }
            },
        ),
    ),
    (lambda c66: c66.ssl_certificates.delete("a", "ssl-1"), ("DELETE", f"{PATH}/ssl-1.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize("uuid", [(), ("ssl-1",)])
async def test_key_is_in_no_traceback_and_masked_if_the_server_repeats_it(uuid: tuple[str, ...]) -> None:
    async with client(Script(make_response({"error": "bad_request", "details": "bad key hush"}, 400))) as c66:
        method: Any = c66.ssl_certificates.update if uuid else c66.ssl_certificates.create
        with pytest.raises(BadRequest, match=r"bad key \*{8}") as caught:
            await method("a", *uuid, type="manual", server_names=["x"], ssl_termination=True, key="hush")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [frame for frame in frames if "cloud66_async" in frame.filename]
    assert shown
    assert "hush" not in str([frame.locals for frame in shown])


async def test_new_certificate_may_have_no_uuid() -> None:
    certificate = {"uuid": None, "name": None, "status": -1, "key": "hush"}
    async with client(Script(make_response({"response": certificate}))) as c66:
        found = await c66.ssl_certificates.create(
            "a", type="lets_encrypt", server_names=["example.com"], ssl_termination=True
        )
    assert (found.uuid, found.name, found.status) == (None, None, SslCertificateStatus.NOT_APPLICABLE)
    assert found.key == Secret("hush")
    assert "hush" not in f"{found!r} {found.to_dict()}"


# --- sandbox -------------------------------------------------------------------------------------

NEW = {"type": "lets_encrypt", "server_names": "example.com", "ssl_termination": True}


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/ssl_certificates"
    created = call.send("POST", f"{path}.json", {"ssl_certificate": NEW})
    sample, listed = call.get(f"{path}.json")
    assert sample.keys() == created.keys() == field_names(SslCertificate)
    assert created == listed == call.get(f"{path}/{created['uuid']}.json")
    assert sample["status"] == 3
    assert call.send("DELETE", f"{path}/{created['uuid']}.json") == {**created, "status": 4}


@pytest.mark.parametrize(("fails", "status"), [(False, 3), (True, 2)])
def test_states_of_a_certificate(fake: FakeCloud66, call: Caller, web: FakeStack, fails: bool, status: int) -> None:
    path = f"/stacks/{web.uid}/ssl_certificates"
    if fails:
        fake.faults.action_fails(action="ssl_certificate_install")
    created = call.send("POST", f"{path}.json", {"ssl_certificate": NEW})
    assert (created["status"], created["expires_at"]) == (1, None)
    fake.clock.advance(59)
    assert call.get(f"{path}/{created['uuid']}.json") == created
    fake.clock.advance(1)
    found = call.get(f"{path}/{created['uuid']}.json")
    assert found["status"] == status
    assert (found["sha256_fingerprint"] is None) == (found["expires_at"] is None) == fails


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_both_methods_replace_a_certificate(fake: FakeCloud66, call: Caller, web: FakeStack, method: str) -> None:
    path = f"/stacks/{web.uid}/ssl_certificates"
    (sample,) = call.get(f"{path}.json")
    manual = {**NEW, "type": "manual", "certificate": "PEM", "key": "KEY", "intermediate_certificate": "CHAIN"}
    changed = call.send(method, f"{path}/{sample['uuid']}.json", {"ssl_certificate": manual})
    assert (changed["uuid"], changed["status"], changed["has_intermediate_cert"]) == (sample["uuid"], 1, True)
    fake.clock.advance(60)
    (found,) = call.get(f"{path}.json")
    assert (found["status"], found["type"], found["ca_name"], found["key"]) == (3, "manual", "Example CA", "KEY")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"type": "none"}, "bad_request"), ({"server_names": None}, "bad_request"), ({"server_names": ""}, "bad_request"),
     ({"server_names": "a.example,"}, "bad_request"), ({"type": "manual", "key": "KEY"}, "bad_request"),
     ({"wildcard": True}, "bad_request"), ({"wildcard": True, "dns_provider_uuid": "none"}, "not_found")],
)  # fmt: skip
def test_requests_that_are_rejected(call: Caller, web: FakeStack, changes: dict[str, Any], code: str) -> None:
    path = f"/stacks/{web.uid}/ssl_certificates"
    before = call.get(f"{path}.json")
    body = {"ssl_certificate": {**NEW, **changes}}
    assert error_code(call("POST", f"{path}.json", body)) == code
    assert error_code(call("PUT", f"{path}/{before[0]['uuid']}.json", body)) == code
    assert call.get(f"{path}.json") == before


def test_unknown_certificate_is_not_found(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/ssl_certificates/none.json"
    for method, body in (("GET", None), ("PUT", {"ssl_certificate": NEW}), ("DELETE", None)):
        assert error_code(call(method, path, body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_certificate_is_added_replaced_and_removed(connected: Connected) -> None:
    fake, c66 = connected
    stack, certificates = fake.add_stack("web").uid, c66.ssl_certificates
    provider = await c66.dns_providers.list().first()
    assert provider is not None
    created = await certificates.create(
        stack,
        type="lets_encrypt",
        server_names=["*.example.com", "example.com"],
        ssl_termination=True,
        wildcard=True,
        dns_provider_uuid=provider.uuid,
    )
    assert created.status is SslCertificateStatus.INSTALLING
    assert created.uuid is not None
    await fake.world.clock.sleep(fake.world.action_seconds)
    installed = await certificates.get(stack, created.uuid)
    assert (installed.status, installed.ca_name) == (SslCertificateStatus.INSTALLED, "Let's Encrypt")
    assert (installed.server_names, installed.wildcard) == ("*.example.com,example.com", True)
    await certificates.update(
        stack, created.uuid, type="manual", server_names=["example.com"], ssl_termination=False, certificate="PEM",
        key="KEY",
    )  # fmt: skip
    _, replaced = await certificates.list(stack)
    assert (replaced.certificate, replaced.key, replaced.wildcard) == ("PEM", Secret("KEY"), False)
    removed = await certificates.delete(stack, created.uuid)
    assert (removed.uuid, removed.status) == (created.uuid, SslCertificateStatus.REMOVING)
    with pytest.raises(NotFound):
        await certificates.get(stack, created.uuid)
    assert len(await certificates.list(stack)) == 1
