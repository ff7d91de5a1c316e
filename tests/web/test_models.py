"""Models in the responses of a web application."""

import json
from datetime import UTC, datetime
from typing import Any, cast

import attrs
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud66_async import Action, Deployment, Health, Secret, Server, Stack, StackStatus
from cloud66_async._core.model import Model, OpenStrEnum
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

    @app.get("/optional")
    async def optional() -> Stack | None:
        return None

    @app.get("/declared", response_model=list[Server])
    async def declared() -> Any:
        return [Server(uid="s", ssh_private_key=Secret("hush"))]

    @app.get("/row")
    async def row() -> Row:
        return Row(stack=STACK, note="n")

    @app.get("/bare")
    async def bare():  # type: ignore[no-untyped-def]  # noqa: ANN202  routes are often not annotated
        return {"stacks": [STACK]}

    @app.get("/other")
    async def other() -> dict[str, Action | Deployment]:
        return {"action": Action(id=1), "deployment": Deployment(id=2, outcome=CodeMeaning(code=1, meaning="success"))}

    return app


async def fetch(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/one", PLAIN),
        ("/many", [PLAIN, PLAIN]),
        ("/optional", None),
        ("/row", {"stack": PLAIN, "note": "n"}),
        ("/bare", {"stacks": [PLAIN]}),
        ("/declared", [Server(uid="s", ssh_private_key=Secret("other")).to_dict()]),
    ],
)
async def test_route_may_return_models(path: str, expected: object) -> None:
    response = await fetch(application(), path)
    assert response.status_code == 200
    assert response.json() == expected
    assert "hush" not in response.text


async def test_serialized_values() -> None:
    response = (await fetch(application(), "/one")).json()
    assert response["created_at"] == "2026-03-02T09:12:30+00:00"
    assert response["status"] == 99
    assert response["redeploy_hook"] == "********"
    assert response["considerations"] == {"a": [1, None]}


async def test_nested_models() -> None:
    response = (await fetch(application(), "/other")).json()
    assert response["action"]["id"] == 1
    assert response["deployment"]["outcome"] == {"code": 1, "meaning": "success"}


async def test_openapi_document_describes_the_fields() -> None:
    document = (await fetch(application(), "/openapi.json")).json()
    stack = document["components"]["schemas"]["Stack"]
    assert stack["description"] == "One application, as deployed in one environment."
    assert stack["properties"]["uid"] == {"type": "string"}
    assert stack["required"] == ["uid"]
    assert stack["properties"]["created_at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert stack["properties"]["redeploy_hook"]["anyOf"][0] == {"type": "string", "const": "********"}
    assert stack["properties"]["status"]["anyOf"][0]["type"] == "integer"
    status = stack["properties"]["status"]["anyOf"][0]
    assert status["title"] == "StackStatus"
    assert status["description"].startswith("State of the latest deployment.")
    assert "0: pending analysis, 1: deployed, 2: deployment failed" in status["description"]
    assert status["x-extensible-enum"] == list(range(8))
    assert "enum" not in status
    assert stack["properties"]["namespaces"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert stack["properties"]["is_busy"]["anyOf"] == [{"type": "boolean"}, {"type": "null"}]
    deployment = document["components"]["schemas"]["Deployment"]
    assert "required" not in deployment["properties"]["outcome"]["anyOf"][0]
    assert deployment["properties"]["outcome"]["anyOf"][0]["properties"]["code"]["anyOf"][0] == {"type": "integer"}
    many = document["paths"]["/many"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert many["items"] == {"$ref": "#/components/schemas/Stack"}


def test_every_model_has_a_schema() -> None:
    from cloud66_async import resources

    models = [kind for kind in Model.__subclasses__() if kind.__module__.startswith(resources.__name__)]
    assert len(models) >= 5
    for kind in models:
        schema = TypeAdapter(kind).json_schema(mode="serialization")
        assert schema["title"] == kind.__name__, kind
        assert schema["properties"], kind
        # Every field has a type, except those whose content the API does not define.
        for name, field in schema["properties"].items():
            assert field.keys() & {"type", "anyOf"}, (kind, name)


@attrs.frozen(kw_only=True)
class Tree(Model):
    """Model that may contain itself."""

    branches: "tuple[Tree, ...] | None" = None
    anything: Any = None
    number: complex = 0
    size: "Size | None" = None


class Size(OpenStrEnum):
    SMALL = "small"
    LARGE = "extra_large"


def test_schema_of_a_recursive_model() -> None:
    schema = TypeAdapter(Tree).json_schema(mode="serialization")
    assert schema["properties"]["branches"]["anyOf"][0] == {"type": "array", "items": {"type": "object"}}
    assert schema["properties"]["anything"] == schema["properties"]["number"] == {}  # any JSON value


def test_schema_of_named_states() -> None:
    schema = TypeAdapter(Tree).json_schema(mode="serialization")
    assert schema["properties"]["size"]["anyOf"][0] == {
        "title": "Size",
        "type": "string",
        "description": "Known values: small, extra_large. The API may add others.",
        "x-extensible-enum": ["small", "extra_large"],
    }


def test_pydantic_accepts_models_only() -> None:
    assert Row(stack=STACK, note="n").stack is STACK
    with pytest.raises(ValidationError):
        Row.model_validate({"stack": PLAIN, "note": "n"})


def test_pydantic_masks_secrets_in_every_output() -> None:
    row = Row(stack=STACK, note="n")
    assert row.model_dump()["stack"] == PLAIN
    assert json.loads(row.model_dump_json())["stack"] == PLAIN
    assert "hush" not in repr(row)


def test_model_as_a_dictionary() -> None:
    assert dict(STACK) == PLAIN


async def test_model_response() -> None:
    async def endpoint(_request: Request) -> Response:
        return ModelResponse({"stacks": [STACK], "key": Secret("hush"), "name": "é"})

    response = await fetch(Starlette(routes=[Route("/", endpoint)]), "/")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"stacks": [PLAIN], "key": "********", "name": "é"}


def test_model_response_rejects_other_objects() -> None:
    with pytest.raises(TypeError, match="object"):
        ModelResponse(object())


# --- options of pydantic and FastAPI ------------------------------------------------------------------


class Meaning(BaseModel):
    code: int | None = None
    meaning: str | None = None


class Control(BaseModel):
    """A model of pydantic, which shows what the options do."""

    id: int = 0
    outcome: Meaning | None = None
    git_ref: str | None = None
    commit_url: str | None = None


DEPLOYMENT = Deployment(id=2, git_ref="main", outcome=CodeMeaning(code=1))
CONTROL = Control(id=2, git_ref="main", outcome=Meaning(code=1))
FIELDS = set(Control.model_fields)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"include": {"id", "git_ref"}},
    {"include": {"outcome": {"code"}}},
    {"exclude": {"git_ref"}},
    {"exclude": {"outcome": {"code": True}}},
    {"include": {"id", "git_ref"}, "exclude": {"id"}},
    {"exclude_none": True},
    {"exclude_defaults": True},
    {"exclude_unset": True},
    {"exclude_none": True, "exclude": {"outcome": {"code"}}},
    {"by_alias": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=[f"options{number}" for number in range(len(OPTIONS))])
@pytest.mark.parametrize("kind", ["one", "many", "many_by_key"])
async def test_options_of_a_response_model_work_as_for_pydantic(kind: str, options: dict[str, Any]) -> None:
    assert set(attrs.fields_dict(Deployment)) >= FIELDS
    nested = {"many": "__all__", "many_by_key": "a"}
    app = FastAPI()
    given: dict[str, Any] = {
        f"response_model_{name}": {nested[kind]: value} if name in ("include", "exclude") and kind != "one" else value
        for name, value in options.items()
    }
    for path, value in (("/model", DEPLOYMENT), ("/control", CONTROL)):
        content, annotation = _shaped(kind, value)
        app.get(path, response_model=annotation, **given)(lambda content=content: content)
    model, control = [(await fetch(app, path)).json() for path in ("/model", "/control")]
    for found, expected in zip(_rows(model), _rows(control), strict=True):
        assert {name: value for name, value in found.items() if name in FIELDS} == expected
        if options.keys() & {"include", "exclude_none", "exclude_defaults", "exclude_unset"}:
            assert found.keys() == expected.keys()


def _shaped(kind: str, value: Any) -> tuple[Any, Any]:
    """Return what a route returns, and its annotation."""
    found: Any = cast("Any", type(value))
    shapes: dict[str, tuple[Any, Any]] = {
        "one": (value, found),
        "many": ([value, value], list[found]),
        "many_by_key": ({"a": value}, dict[str, found]),
    }
    return shapes[kind]


def _rows(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return cast("list[dict[str, Any]]", content)
    return list(content.values()) if set(content) == {"a"} else [content]


def test_options_of_a_model_inside_a_pydantic_model() -> None:
    row = Row(stack=STACK, note="n")
    assert row.model_dump(include={"stack": {"uid", "name"}}) == {"stack": {"uid": "u1", "name": "web"}}
    assert json.loads(row.model_dump_json(include={"stack": {"uid"}})) == {"stack": {"uid": "u1"}}
    shown = row.model_dump(exclude_none=True, exclude={"stack": {"redeploy_hook": True}})["stack"]
    assert "redeploy_hook" not in shown
    assert None not in shown.values()
    assert shown["considerations"] == {"a": [1, None]}  # JSON with arbitrary keys is not changed
