"""Redaction of secrets in `repr` and `rich`, and the ban on pickling or copying clients."""

from __future__ import annotations

import copy
import io
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.pretty import pretty_repr

from cloud66_async import Cloud66, Retry, Secret, ServerError, Stack, Token
from cloud66_async.operation import Response, post
from cloud66_async.quota import Quota
from cloud66_async.transport import BufferedResponse, Request, SharedHeaders, Timeouts

from ..support import SECRET, Script, client

WRITE = post("/stacks/{stack}/things.json", Stack, body={"value": str | None})


def application_client() -> Cloud66:
    return Cloud66(
        client_id="c", client_secret=SECRET, redirect_url="https://app.example/callback", proxy=f"http://u:{SECRET}@p:1"
    )


OBJECTS: dict[str, Callable[[], object]] = {
    "secret": lambda: Secret(SECRET),
    "token": lambda: Token(SECRET),
    "model": lambda: Stack(uid="a", redeploy_hook=Secret(SECRET)),
    "client": lambda: Cloud66(SECRET, transport=Script()),
    "application client": application_client,
    "configuration": lambda: application_client()._config,
    "shared headers": lambda: SharedHeaders([("Authorization", f"Bearer {SECRET}")]),
    "request": lambda: Request("GET", "/", SharedHeaders([("A", SECRET)]), "r-1", None, True, Timeouts()),
    "call": lambda: WRITE.bind(stack="a", value=SECRET),
    "raw response": lambda: BufferedResponse(200, SECRET.encode(), {"set-cookie": SECRET}),
    "response": lambda: Response(None, BufferedResponse(200, SECRET.encode()), "r-1", Quota()),
}


@pytest.mark.parametrize("create", OBJECTS.values(), ids=OBJECTS)
def test_secret_is_hidden_from_repr_and_rich(create: Callable[[], object]) -> None:
    found = create()
    output = io.StringIO()
    Console(file=output, width=500).print(found, {"inside": [found]})
    texts = (repr(found), str(found), f"{found}", pretty_repr({"inside": [found]}), output.getvalue())
    assert all(SECRET not in text for text in texts)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("view", [False, True])
def test_client_cannot_be_pickled_or_copied(duplicate: Callable[[Any], object], view: bool) -> None:
    c66 = Cloud66(SECRET, transport=Script())
    with pytest.raises(TypeError, match="cannot be pickled or copied") as caught:
        duplicate(c66.using(account=7) if view else c66)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("escaped", [False, True])
async def test_token_repeated_by_the_server_is_masked(escaped: bool, caplog: pytest.LogCaptureFixture) -> None:
    token = "planted/token+of~a.user"
    shown = token.replace("/", "\\/") if escaped else token
    body = b'{"error":"bad","error_description":"no access for %b"}' % shown.encode()
    failed = BufferedResponse(500, body, {"www-authenticate": f'Bearer error="{token}"', "x-request": token})
    caplog.set_level(0)
    async with client(Script(failed), token=token, retry=Retry(attempts=2, base=0)) as c66:
        with pytest.raises(ServerError) as caught:
            await c66.stacks.get("a")
    error = caught.value
    assert error.response is not None
    texts = [str(error), repr(error), caplog.text, str(error.response.body), str(error.response.headers)]
    texts.append("".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()))
    assert not [text for text in texts if token in text or shown in text]
    assert "no access for ********" in str(error)
