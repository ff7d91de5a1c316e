"""Models as answers of a web application."""

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud66_async import Action, Deployment, Health, Secret, Server, Stack, StackStatus
from cloud66_async._core.model import Model
from cloud66_async._http.library import httpx
from cloud66_async.integrations.starlette import ModelResponse
from cloud66_async.resources.common import CodeMeaning

STACK = Stack(
    uid="u1",
    name="web",
    status=StackStatus(99),
    health=Health.HEALTHY,
    created_at=datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC),
    redeploy_hook=Secret("hush"),
    namespaces=("a", "b"),
    considerations={"a": [1, None]},
)
PLAIN = STACK.to_dict()


class Row(BaseModel):
    stack: Stack
    note: str


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/one")
    async def one() -> Stack:
        return STACK

    @app.get("/many")
    async def many() -> list[Stack]:
        return [STACK, STACK]

    @app.get("/perhaps")
    async def perhaps() -> Stack | None:
        return None

    @app.get("/declared", response_model=list[Server])
    async def declared() -> Any:
        return [Server(uid="s", ssh_private_key=Secret("hush"))]

    @app.get("/row")
    async def row() -> Row:
        return Row(stack=STACK, note="n")

    @app.get("/bare")
    async def bare():  # type: ignore[no-untyped-def]  # noqa: ANN202  as many write it
        return {"stacks": [STACK]}

    @app.get("/other")
    async def other() -> dict[str, Action | Deployment]:
        return {"action": Action(id=1), "deployment": Deployment(id=2, outcome=CodeMeaning(code=1, meaning="success"))}

    return app


async def ask(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/one", PLAIN),
        ("/many", [PLAIN, PLAIN]),
        ("/perhaps", None),
        ("/row", {"stack": PLAIN, "note": "n"}),
        ("/bare", {"stacks": [PLAIN]}),
        ("/declared", [Server(uid="s", ssh_private_key=Secret("other")).to_dict()]),
    ],
)
async def test_a_route_may_return_models(path: str, expected: object) -> None:
    answer = await ask(application(), path)
    assert answer.status_code == 200
    assert answer.json() == expected
    assert "hush" not in answer.text


async def test_how_values_look() -> None:
    answer = (await ask(application(), "/one")).json()
    assert answer["created_at"] == "2026-03-02T09:12:30+00:00"
    assert answer["status"] == 99
    assert answer["redeploy_hook"] == "********"
    assert answer["considerations"] == {"a": [1, None]}


async def test_nested_models() -> None:
    answer = (await ask(application(), "/other")).json()
    assert answer["action"]["id"] == 1
    assert answer["deployment"]["outcome"] == {"code": 1, "meaning": "success"}


async def test_the_openapi_document_describes_the_fields() -> None:
    document = (await ask(application(), "/openapi.json")).json()
    stack = document["components"]["schemas"]["Stack"]
    assert stack["description"] == "One application, as deployed in one environment."
    assert stack["properties"]["uid"] == {"type": "string"}
    assert stack["properties"]["created_at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert stack["properties"]["redeploy_hook"]["anyOf"][0] == {"type": "string", "const": "********"}
    assert stack["properties"]["status"]["anyOf"][0]["type"] == "integer"
    assert "1: deployed" in stack["properties"]["status"]["anyOf"][0]["description"]
    assert stack["properties"]["namespaces"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert stack["properties"]["is_busy"]["anyOf"] == [{"type": "boolean"}, {"type": "null"}]
    deployment = document["components"]["schemas"]["Deployment"]
    assert deployment["properties"]["outcome"]["anyOf"][0]["properties"]["code"]["anyOf"][0] == {"type": "integer"}
    many = document["paths"]["/many"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert many["items"] == {"$ref": "#/components/schemas/Stack"}


def test_a_schema_for_every_model_there_is() -> None:
    from cloud66_async import resources

    models = [kind for kind in Model.__subclasses__() if kind.__module__.startswith(resources.__name__)]
    assert len(models) >= 5
    for kind in models:
        schema = TypeAdapter(kind).json_schema(mode="serialization")
        assert schema["title"] == kind.__name__, kind
        assert schema["properties"], kind
        # Every field is described, save those whose content the API leaves open.
        for name, field in schema["properties"].items():
            assert field.keys() & {"type", "anyOf"}, (kind, name)


@attrs.frozen(kw_only=True)
class Tree(Model):
    """One that may hold others of its kind."""

    branches: "tuple[Tree, ...] | None" = None
    anything: Any = None
    number: complex = 0


def test_a_schema_for_a_model_that_holds_its_own_kind() -> None:
    schema = TypeAdapter(Tree).json_schema(mode="serialization")
    assert schema["properties"]["branches"]["anyOf"][0] == {"type": "array", "items": {"type": "object"}}
    assert schema["properties"]["anything"] == schema["properties"]["number"] == {}  # JSON may hold what it likes there


def test_pydantic_takes_models_and_nothing_else() -> None:
    assert Row(stack=STACK, note="n").stack is STACK
    with pytest.raises(ValidationError):
        Row.model_validate({"stack": PLAIN, "note": "n"})


def test_pydantic_masks_secrets_in_every_way_out() -> None:
    row = Row(stack=STACK, note="n")
    assert row.model_dump()["stack"] == PLAIN
    assert json.loads(row.model_dump_json())["stack"] == PLAIN
    assert "hush" not in repr(row)


def test_a_model_as_a_dictionary() -> None:
    assert dict(STACK) == PLAIN


async def test_starlette() -> None:
    async def endpoint(_request: Request) -> Response:
        return ModelResponse({"stacks": [STACK], "key": Secret("hush"), "name": "é"})

    answer = await ask(Starlette(routes=[Route("/", endpoint)]), "/")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"stacks": [PLAIN], "key": "********", "name": "é"}


def test_starlette_refuses_what_is_no_json() -> None:
    with pytest.raises(TypeError, match="object"):
        ModelResponse(object())
