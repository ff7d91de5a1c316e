"""Image repositories: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import traceback

import pytest

from cloud66_async import Conflict, NotFound, Secret, models
from cloud66_async.models import ImageRepository, Outcome
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/image_repositories"
LOGIN = {"url": "https://r.example", "email": "e@example.com", "username": "u", "password": "hush"}

DOCUMENTED: Documented = {
    models.ImageRepository: """
        id url username email created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.image_repositories.list(), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.image_repositories.get(7), ("GET", f"{PATH}/7.json", None)),
    (lambda c66: c66.image_repositories.create(**LOGIN), ("POST", f"{PATH}.json", LOGIN)),
    (
        lambda c66: c66.image_repositories.update(
            7, url=LOGIN["url"], email=LOGIN["email"], username="u", password=Secret("hush")
        ),
        ("PUT", f"{PATH}/7.json", LOGIN),
    ),
    (lambda c66: c66.image_repositories.delete(7), ("DELETE", f"{PATH}/7.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_outcome_has_no_message() -> None:
    async with client(Script(make_response({"response": {"ok": True}}))) as c66:
        assert await c66.image_repositories.delete(7) == Outcome(ok=True)


async def test_password_is_in_no_traceback() -> None:
    async with client(Script(make_error(409, "conflict"))) as c66:
        for call in (c66.image_repositories.create(**LOGIN), c66.image_repositories.update(7, **LOGIN)):
            with pytest.raises(Conflict) as caught:
                await call
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            shown = [frame.locals for frame in frames if "cloud66_async" in frame.filename]
            assert shown
            assert "hush" not in str(shown)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field_and_no_password(call: Caller) -> None:
    created = call.send("POST", f"{PATH}.json", LOGIN)
    (sample, listed) = call.get(PATH)
    assert sample.keys() == created.keys() == field_names(ImageRepository) - {"created_at", "updated_at"}
    assert listed == created == call.get(f"{PATH}/{created['id']}.json")
    assert call.send("PUT", f"{PATH}/{created['id']}.json", LOGIN) == created
    assert call.send("DELETE", f"{PATH}/{created['id']}.json") == {"ok": True}


@pytest.mark.parametrize("name", LOGIN)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_every_value_is_required(call: Caller, method: str, name: str) -> None:
    path = f"{PATH}.json" if method == "POST" else f"{PATH}/{call.get(PATH)[0]['id']}.json"
    assert error_code(call(method, path, {**LOGIN, name: None})) == "bad_request"
    assert error_code(call(method, path, {**LOGIN, name: ""})) == "bad_request"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_unknown_repository_is_not_found(call: Caller, method: str) -> None:
    assert error_code(call(method, f"{PATH}/1.json", LOGIN)) == "not_found"


def test_scope_is_required(fake: FakeCloud66) -> None:
    assert error_code(Caller(fake, fake.add_token(scopes=("public",)))("GET", f"{PATH}.json")) == "forbidden"


# --- story ---------------------------------------------------------------------------------------


async def test_repository_is_created_changed_and_deleted(connected: Connected) -> None:
    repositories = connected.c66.image_repositories
    created = await repositories.create(**LOGIN)
    assert (created.url, created.email, created.username) == ("https://r.example", "e@example.com", "u")
    assert created in await repositories.list()
    await repositories.update(created.id, **{**LOGIN, "username": "other"})
    assert (await repositories.get(created.id)).username == "other"
    assert (await repositories.delete(created.id)).ok
    with pytest.raises(NotFound, match="no such image repository"):
        await repositories.get(created.id)
