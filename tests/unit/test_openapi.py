"""The OpenAPI document: it is valid, complete, and agrees with the operations, the models and the sandbox."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from typing import Any, Literal, NotRequired, TypedDict, cast

import attrs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from cloud66_async import models
from cloud66_async._core.model import Model, Timestamp
from cloud66_async._core.parameters import CommaSeparated, Nested
from cloud66_async.openapi import openapi
from cloud66_async.operation import Many, Operation, get, many, post
from cloud66_async.resources import operations, stacks
from cloud66_async.sandbox import Reply
from cloud66_async.sandbox.oauth.access import SCOPES
from cloud66_async.secret import Secret

from ..openapi_requests import Requests

Validator: Any = import_module("jsonschema").Draft202012Validator  # its types are in a package of their own
FORMATS = Validator.FORMAT_CHECKER

DOCUMENT = openapi()
ENDPOINTS = {
    endpoint["operationId"]: (method.upper(), path, endpoint)
    for path, item in DOCUMENT["paths"].items()
    for method, endpoint in item.items()
}
OPERATIONS = dict(operations(variants=True))


def test_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_document_is_the_same_each_time() -> None:
    assert json.dumps(openapi()) == json.dumps(DOCUMENT)


def test_every_operation_is_there_once() -> None:
    found = Counter(name for _, _, endpoint in ENDPOINTS.values() for name in endpoint.get("x-variants", []))
    found.update(ENDPOINTS.keys())
    assert found == Counter(name for name in OPERATIONS)


def test_package_does_not_import_it() -> None:
    code = "import sys, cloud66_async; assert 'cloud66_async.openapi' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, Any]", node).items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_references_resolve_and_components_are_used() -> None:
    used = set(references(DOCUMENT))
    for reference in used:
        assert isinstance(resolve(reference), dict)
    kinds = ("schemas", "parameters", "responses")
    assert used == {f"#/components/{kind}/{name}" for kind in kinds for name in DOCUMENT["components"][kind]}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoint_has_the_parameters_of_its_operation(name: str) -> None:
    method, path, endpoint = ENDPOINTS[name]
    operation, *variants = [OPERATIONS[each] for each in (name, *endpoint.get("x-variants", []))]
    assert method == operation.method
    parameters = [resolve(each["$ref"]) if "$ref" in each else each for each in endpoint["parameters"]]
    in_path = [each for each in parameters if each["in"] == "path"]
    assert [f"{{{each['name']}}}" for each in in_path] == re.findall(r"{\w+}", path)
    assert [each["schema"]["type"] == "integer" for each in in_path] == [
        each in operation.integers for each in re.findall(r"{(\w+)}", operation.path)
    ]
    in_query = {each["name"]: each["required"] for each in parameters if each["in"] == "query" and "required" in each}
    assert in_query.keys() >= {parameter.name for parameter in operation.query_parameters}
    if not variants:
        assert in_query == {parameter.name: parameter.required for parameter in operation.query_parameters}
        assert ("requestBody" in endpoint) == bool(operation.body)
        assert any(each["name"] == "page" for each in parameters) == isinstance(operation.returns, Many)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoint_names_the_scope(name: str) -> None:
    requirements = ENDPOINTS[name][2]["security"]
    scopes = {scope for requirement in requirements for names in requirement.values() for scope in names}
    assert scopes == ({OPERATIONS[name].scope} if OPERATIONS[name].scope else set())
    assert scopes <= set(SCOPES)


def test_scopes_are_those_of_the_provider() -> None:
    flow = DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
    assert tuple(flow["scopes"]) == SCOPES
    assert flow["authorizationUrl"] == "https://app.cloud66.com/oauth/authorize"
    assert DOCUMENT["servers"] == [{"url": "https://app.cloud66.com/api/3"}]


# --- samples -------------------------------------------------------------------------------------


def body_of(name: str) -> Any:
    return ENDPOINTS[name][2]["requestBody"]["content"]["application/json"]["schema"]


def test_body_of_a_request() -> None:
    body = body_of("stacks.create")
    assert body["required"] == ["name", "environment", "service_yaml"]
    assert body["properties"]["build_type"]["enum"] == ["single", "multi"]
    assert body["properties"]["environment"]["description"] == "Environment, for example `production`."
    assert ENDPOINTS["stacks.create"][2]["requestBody"]["required"] is True
    assert ENDPOINTS["stacks.redeploy"][2]["requestBody"]["required"] is False
    strategy = body_of("environment_variables.create")["properties"]["apply_strategy"]
    assert strategy["description"].startswith("When a change takes effect")  # from the type
    redeployment = body_of("stacks.redeploy")["properties"]
    assert redeployment["services"]["items"] == {"type": "string"}
    assert redeployment["canary_percentage"]["type"] == "integer"


def test_secrets_are_passwords() -> None:
    assert body_of("environment_variables.update")["properties"]["value"]["format"] == "password"
    value = DOCUMENT["components"]["schemas"]["EnvironmentVariable"]["properties"]["value"]
    assert value == {"type": ["string", "null"], "format": "password"}


def test_list_in_a_body_is_text_with_commas() -> None:
    variants: list[Any] = body_of("backups.create").get("anyOf", [body_of("backups.create")])
    schema = Validator(variants[0]["properties"]["db_type"])
    assert schema.is_valid("mysql,redis")
    assert not schema.is_valid("mysql,")
    assert not schema.is_valid("oracle")


def test_list_in_a_query_is_separated_by_commas() -> None:
    endpoint = ENDPOINTS["environment_variables.list"][2]
    (found,) = [each for each in endpoint["parameters"] if each.get("name") == "requested_types"]
    assert (found["style"], found["explode"]) == ("form", False)
    assert found["schema"]["items"]["enum"] == ["all", "user", "generated", "locked"]


def test_paths_that_differ_in_names_only_are_one() -> None:
    item = DOCUMENT["paths"]["/stacks/{stack}/environments/{variable}.json"]
    assert set(item) == {"get", "put", "delete"}
    types = {method: endpoint["parameters"][1]["schema"]["type"] for method, endpoint in item.items()}
    assert types == {"get": "integer", "put": "string", "delete": "string"}
    assert item["put"]["parameters"][1]["description"] == "The key."


def test_variants_are_alternatives() -> None:
    _, _, run = ENDPOINTS["actions.run"]
    assert "stacks.restart" in run["x-variants"]
    assert "- `stacks.restart`: Restart all parts of the stack." in run["description"]
    schema = Validator(body_of("actions.run"))
    assert schema.is_valid({"command": "restart"})
    assert not schema.is_valid({"command": "explode"})
    response = ENDPOINTS["environment_variables.list"][2]["responses"]["200"]["content"]["application/json"]["schema"]
    assert len(response["anyOf"]) == 2


def test_operation_without_a_token() -> None:
    assert ENDPOINTS["ping.check"][2]["security"] == []


def test_operation_without_a_result() -> None:
    assert "content" not in ENDPOINTS["environment_variables.delete"][2]["responses"]["200"]
    assert ENDPOINTS["environment_variables.update"][2]["x-asynchronous"] is True


def test_model() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    stack = schemas["Stack"]
    assert stack["required"] == ["uid"]
    assert stack["properties"]["namespaces"]["type"] == ["array", "null"]
    assert stack["properties"]["considerations"]["type"] == ["object", "null"]
    assert stack["properties"]["created_at_iso"] == {"type": ["string", "null"], "format": "date-time"}
    assert {"$ref": "#/components/schemas/Health"} in stack["properties"]["health"]["anyOf"]
    assert "stack" not in schemas["Action"]["properties"]
    assert schemas["Job"]["properties"]["cron"]["description"] == "Schedule in cron's format."


def test_enumeration_is_open() -> None:
    schema = DOCUMENT["components"]["schemas"]["Health"]
    assert schema["x-extensible-enum"] == [member.value for member in models.Health]
    assert "3: healthy" in schema["description"]
    assert Validator(schema).is_valid(99)
    assert not Validator(schema).is_valid("healthy")


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("2014-09-01T19:00:33Z", True),
        ("2014-08-14 00:38:14 UTC", True),
        ("2021-01-04T21:32:33+0000", True),
        (1409598033, True),
        ("yesterday", False),
    ],
)
def test_timestamp(value: object, valid: bool) -> None:
    schema = DOCUMENT["components"]["schemas"]["Timestamp"]
    assert Validator(schema, format_checker=FORMATS).is_valid(value) is valid


def test_texts_are_about_the_api() -> None:
    text = json.dumps(DOCUMENT["paths"]) + json.dumps(DOCUMENT["components"]["schemas"])
    for word in ("Actions.wait", "Raises", " SDK", " None", "Args:"):
        assert word not in text


# --- kinds of types ------------------------------------------------------------------------------


class Point(TypedDict):
    x: int
    y: NotRequired[float]


@attrs.frozen(kw_only=True)
class Tree(Model):
    """A tree, described by Cloud 66. Raises NotFound if it is gone. It is None or green. The SDK grows it.

    Then it is cut.
    """

    def reveal_roots(self) -> object:
        """Return the roots as data."""
        return self.roots

    name: str
    branches: tuple[Tree, ...] | None = None  # smaller trees
    size: int | str | None = None
    sizes: dict[str, int | None] | None = None
    found_at: Timestamp | None = None
    anything: Any = None
    roots: Secret | None = None


def document_with(monkeypatch: pytest.MonkeyPatch, operation: Operation[Any]) -> tuple[Any, Any]:
    """Return the operation object of `stacks.grow`, and the schemas."""
    monkeypatch.setattr(stacks, "GROW", operation, raising=False)
    document = openapi()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    (found,) = document["paths"]["/trees/{token}.json"].values()
    return found, document["components"]["schemas"]


def test_parameters_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    body: dict[str, Any] = {
        "point": Point,
        "names": dict[str, int],
        "choices": CommaSeparated[list[Literal["a", "b.c"]]],
        "ids": CommaSeparated[list[int]] | None,
        "password": Secret | None,
        "health": models.Health | None,
        "rest": Any,
        "when": datetime | None,
        "trunk": Nested({"height": float, "rings": int | None}),
        "leaves": Nested({"color": Literal["green", "red"]}, many=True, required=False),
    }
    found, _ = document_with(monkeypatch, post("/trees/{token:secret}.json", body=body, wrapper="tree"))
    assert found["parameters"][0]["schema"] == {"type": "string", "minLength": 1, "format": "password"}
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["tree"]
    tree = schema["properties"]["tree"]
    assert tree["required"] == ["point", "names", "choices", "rest", "trunk"]
    assert tree["properties"] == {
        "point": {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "number"}},
            "required": ["x"],
        },
        "names": {"type": "object", "additionalProperties": {"type": "integer"}},
        "choices": {
            "type": "string",
            "pattern": r"^(a|b\.c)(,(a|b\.c))*$",
            "description": "List, separated by commas.",
        },
        "ids": {"type": "string", "description": "List, separated by commas."},
        "password": {"type": "string", "format": "password"},
        "health": {"type": "integer", "enum": [0, 1, 2, 3, 4]},
        "rest": {},
        "when": {"type": "string", "format": "date-time"},
        "trunk": {
            "type": "object",
            "properties": {"height": {"type": "number"}, "rings": {"type": "integer"}},
            "required": ["height"],
        },
        "leaves": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"color": {"type": "string", "enum": ["green", "red"]}},
                "required": ["color"],
            },
        },
    }


def test_fields_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    found, schemas = document_with(monkeypatch, get("/trees/{token}.json", many(Tree)))
    response = found["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["response"]
    tree = {"$ref": "#/components/schemas/Tree"}
    assert response == {"anyOf": [tree, {"type": "array", "items": tree}]}  # the path is that of one tree
    assert schemas["Tree"] == {
        "description": "A tree, described by Cloud 66. It is null or green.",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "branches": {
                "type": ["array", "null"],
                "items": {"$ref": "#/components/schemas/Tree"},
                "description": "Smaller trees.",
            },
            "size": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
            "sizes": {"type": ["object", "null"], "additionalProperties": {"type": ["integer", "null"]}},
            "found_at": {"anyOf": [{"$ref": "#/components/schemas/Timestamp"}, {"type": "null"}]},
            "anything": {},
            "roots": {},
        },
        "required": ["name"],
    }


@pytest.mark.parametrize(
    ("returns", "schema"),
    [(str, {"type": "string"}), (Any, {}), (list[str], {"type": "array", "items": {"type": "string"}})],
)
def test_result_that_is_not_a_model(monkeypatch: pytest.MonkeyPatch, returns: Any, schema: object) -> None:
    make: Any = get
    found, _ = document_with(monkeypatch, make("/trees/{token}.json", returns))
    assert found["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["response"] == schema
    assert found["summary"] == "Grow"


def test_value_that_a_variant_always_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    grow: Any = get("/trees/{token}.json", Tree, query={"size": int | None})
    monkeypatch.setattr(
        stacks, "GROW_HIGH", grow.variant(query={"size": int}, fixed={"direction": "up"}), raising=False
    )
    found, _ = document_with(monkeypatch, grow)
    size, direction = found["parameters"][1:3]
    assert (size["name"], size["required"]) == ("size", False)
    assert (direction["name"], direction["required"]) == ("direction", False)
    assert direction["schema"] == {"type": "string", "enum": ["up"]}
    assert found["x-variants"] == ["stacks.grow_high"]


def test_two_models_with_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    other: Any = attrs.make_class("Stack", [], bases=(Model,))
    make: Any = get
    with pytest.raises(ValueError, match=r"two models have the name Stack: .*; rename one of them"):
        document_with(monkeypatch, make("/trees/{token}.json", other))


# --- the sandbox ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replies() -> dict[str, Reply]:
    """Return the response of the sandbox to each operation, every time of a new sandbox with a finished deployment."""
    return {name: Requests().send(*endpoint) for name, endpoint in ENDPOINTS.items()}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_response_of_the_sandbox_matches(name: str, replies: dict[str, Reply]) -> None:
    reply, responses = replies[name], ENDPOINTS[name][2]["responses"]
    assert reply.status < 500, reply
    response = responses["200"] if reply.status == 200 else resolve(responses["default"]["$ref"])
    if "content" in response:  # otherwise the body is empty or does not matter
        schema = response["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
        errors = Validator(schema, format_checker=FORMATS).iter_errors(json.loads(reply.body))
        assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_most_operations_succeed(replies: dict[str, Reply]) -> None:
    failed = {name: reply.body for name, reply in replies.items() if reply.status != 200}
    assert len(failed) < 0.3 * len(replies), failed
