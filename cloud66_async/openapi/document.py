"""The OpenAPI document: paths, parameters, requests and responses of all operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from .._core.parameters import Parameter, parameters
from .._version import __version__
from ..config import URL
from ..oauth.endpoints import Endpoints
from ..operation import Many, Operation
from ..resources import modules, operations, ping
from .methods import about_the_api, operation_text, resource_text, type_text
from .schemas import Schema, Schemas, any_of, described

__all__ = ["openapi"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_SCOPES = {
    "public": "Read most resources, and run jobs.",
    "redeploy": "Deploy stacks, and create them.",
    "jobs": "Manage jobs.",
    "users": "Manage users and accounts.",
    "admin": "Manage stacks, including their secrets.",
}
"""Scopes of the API. The documentation lists their names; the descriptions follow from the operations that use them."""

_NO_TOKEN = frozenset({ping.CHECK})
_NO_ENVELOPE = frozenset({ping.CHECK_TOKEN})

_INTRODUCTION = f"""\
Operations of the Cloud 66 API, version 3, as the SDK `cloud66_async` {__version__} knows them. They come from
the documentation of Cloud 66 and from its official Go client; Cloud 66 has not published or checked this document.

A response has its result in the member `response`. Lists have at most 30 items per page. Objects may have more members
than those listed, and enumerations that are marked with `x-extensible-enum` more values.

The number of requests per user and hour is limited; the response headers `X-RateLimit-Limit` and
`X-RateLimit-Remaining` tell the limit and the rest.
"""

_ERROR_RESPONSE = """\
Error. The status is 400 or 422 for a missing or invalid parameter, 401 for an invalid token, 402 for an expired trial,
403 for a missing scope or permission, 404 for a resource that does not exist or that the token has no access to, 409
for a conflict, 429 or 503 with the error `throttled` for an exhausted quota, and 503 with the error `not_implemented`
for an operation that this version of the API does not have.
"""

_TEXT: Schema = {"type": ["string", "null"]}
_ERROR: Schema = {
    "description": "Reason of an error.",
    "type": "object",
    "properties": {
        "error": _TEXT | {"description": "Code, for example `not_found`."},
        "error_description": _TEXT | {"description": "Code in words."},
        "details": _TEXT | {"description": "Explanation."},
    },
}
_NUMBER: Schema = {"type": ["integer", "null"]}
_PAGINATION: Schema = {
    "description": "Position in a list.",
    "type": ["object", "null"],
    "properties": {
        "previous": _NUMBER | {"description": "Number of the previous page, or null on the first one."},
        "next": _NUMBER | {"description": "Number of the next page, or null on the last one."},
        "current": _NUMBER | {"description": "Number of this page."},
        "per_page": _NUMBER | {"description": "Maximum number of items per page."},
        "count": _NUMBER | {"description": "Number of items of the whole list."},
        "pages": _NUMBER | {"description": "Number of pages."},
    },
}
_PAGE: Schema = {
    "name": "page",
    "in": "query",
    "description": "Number of the page.",
    "schema": {"type": "integer", "minimum": 1, "default": 1},
}
_ACCOUNT: Schema = {
    "name": "X-Account",
    "in": "header",
    "description": "ID of the account to act for. The default is every account of the user.",
    "schema": {"type": "integer"},
}


Named = Sequence[tuple[str, Operation[Any]]]
"""An operation and its variants, which have the same HTTP method and path, with their names."""


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the API, with every operation and model of the SDK, as JSON-ready values."""
    schemas = Schemas()
    paths = dict(_paths(schemas))
    endpoints = Endpoints.of(URL)
    flow = {"authorizationUrl": endpoints.authorize, "tokenUrl": endpoints.token, "scopes": dict(_SCOPES)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cloud 66 API", "version": "3", "description": _INTRODUCTION},
        "servers": [{"url": endpoints.api}],
        "tags": [{"name": name, "description": resource_text(name)} for name in modules()],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, "Pagination": _PAGINATION, **dict(sorted(schemas.components.items()))},
            "parameters": {"Account": _ACCOUNT, "Page": _PAGE},
            "responses": {"Error": {"description": _ERROR_RESPONSE, "content": _json(_schema("Error"))}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Access token of a user."},
                "oauth2": {"type": "oauth2", "flows": {"authorizationCode": flow}},
            },
        },
    }


def _paths(schemas: Schemas) -> Iterator[tuple[str, Schema]]:
    """Yield each path with its operations.

    Two paths that differ in the names of their parameters are one path in OpenAPI. The first names count.
    """
    found: dict[str, dict[str, list[tuple[str, Operation[Any]]]]] = {}
    # Operations before their variants: the operation names the endpoint.
    for name, operation in sorted(operations(variants=True), key=_is_variant):
        methods = found.setdefault(_PLACEHOLDER.sub("{}", operation.path), {})
        methods.setdefault(operation.method.lower(), []).append((name, operation))
    for methods in found.values():
        template = next(iter(methods.values()))[0][1].path
        names = _PLACEHOLDER.findall(template)
        yield template, {method: _operation(named, names, schemas) for method, named in methods.items()}


def _is_variant(named: tuple[str, Operation[Any]]) -> bool:
    return named[1].base is not None  # pyright: ignore[reportUnknownMemberType]


def _operation(named: Named, names: Sequence[str], schemas: Schemas) -> Schema:
    """Return the operation object, with these names of the path parameters."""
    (name, operation), *variants = named
    text = operation_text(name)
    texts = dict(text.parameters)
    uses: list[str] = []
    for variant, _ in variants:
        other = operation_text(variant)
        texts = {**other.parameters, **texts}
        uses.append(f"- `{variant}`: {other.summary}.")
    every = [each for _, each in named]
    sent = [*_path_parameters(operation, names, texts), *_query_parameters(every, texts, schemas)]
    found: Schema = {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": text.summary,
        "description": "\n\n".join(filter(None, (text.description, "\n".join(uses)))),
        "parameters": [*sent, _component("parameters", "Account")],
        "requestBody": _body(every, texts, schemas),
        "responses": {"200": _response(named, schemas), "default": _component("responses", "Error")},
        "security": _security(operation),
        "x-asynchronous": operation.asynchronous or None,
        "x-variants": [variant for variant, _ in variants],
    }
    return {key: value for key, value in found.items() if value or key == "security"}


# --- requests ------------------------------------------------------------------------------------


def _path_parameters(operation: Operation[Any], names: Sequence[str], texts: Mapping[str, str]) -> Iterator[Schema]:
    for name, own in zip(names, _PLACEHOLDER.findall(operation.path), strict=True):
        schema: Schema = {"type": "integer"} if own in operation.integers else {"type": "string", "minLength": 1}
        if own in operation.secrets:
            schema["format"] = "password"
        default = "" if name == own else f"The {own.replace('_', ' ')}."
        found: Schema = {"name": name, "in": "path", "required": True, "schema": schema}
        yield described(found, about_the_api(texts.get(own, default)))


def _query_parameters(every: Sequence[Operation[Any]], texts: Mapping[str, str], schemas: Schemas) -> Iterator[Schema]:
    """Yield the query parameters of an operation and its variants. One is required if all of them require it."""
    sets = [{parameter.name: parameter for parameter in _sent(operation, "query")} for operation in every]
    merged: dict[str, Parameter] = {}
    for declared in sets:
        for name, parameter in declared.items():
            merged.setdefault(name, parameter)
    for name, parameter in merged.items():
        schema = schemas.parameter(parameter)
        required = all(name in declared and declared[name].required for declared in sets)
        found: Schema = {"name": name, "in": "query", "required": required, "schema": schema}
        if schema.get("type") == "array":
            found |= {"style": "form", "explode": False}
        yield described(found, _text(parameter, texts))
    if any(isinstance(operation.returns, Many) for operation in every):
        yield _component("parameters", "Page")


def _body(every: Sequence[Operation[Any]], texts: Mapping[str, str], schemas: Schemas) -> Schema | None:
    """Return the request body of an operation and its variants."""
    declared = [_sent(operation, "body") for operation in every]
    if not any(declared):
        return None
    required = all(any(parameter.required for parameter in sent) for sent in declared)
    objects = [_object(sent, texts, schemas) for sent in declared if sent]
    wrapper = every[0].wrapper
    schema = any_of(objects)
    if wrapper is not None:
        schema = {"type": "object", "properties": {wrapper: schema}, "required": [wrapper]}
    return {"required": required, "content": _json(schema)}


def _object(declared: Sequence[Parameter], texts: Mapping[str, str], schemas: Schemas) -> Schema:
    schema = schemas.object(declared)
    for parameter in declared:
        properties = schema["properties"]
        properties[parameter.name] = described(properties[parameter.name], _text(parameter, texts))
    return schema


def _sent(operation: Operation[Any], where: Literal["query", "body"]) -> Sequence[Parameter]:
    """Return the parameters of the operation in the query or in the body, and the values that a variant always sends.

    Those are parameters with one value.
    """
    fixed: tuple[Parameter, ...] = ()
    if (operation.method == "GET") == (where == "query"):
        fixed = parameters({name: Literal[value] for name, value in operation.fixed.items()})
    return (*fixed, *(operation.query_parameters if where == "query" else operation.body_parameters))


def _text(parameter: Parameter, texts: Mapping[str, str]) -> str:
    return about_the_api(texts.get(parameter.name) or type_text(parameter.kind))


# --- responses -----------------------------------------------------------------------------------


def _response(named: Named, schemas: Schemas) -> Schema:
    results = [operation for _, operation in named if operation.returns is not None]
    if not results:
        return {"description": "Success. The body is empty or does not matter."}
    return {"description": "Success.", "content": _json(any_of(_result(operation, schemas) for operation in results))}


def _result(operation: Operation[Any], schemas: Schemas) -> Schema:
    returns = operation.returns
    if operation in _NO_ENVELOPE:
        return schemas.of(returns)
    if not isinstance(returns, Many):
        return {"type": "object", "properties": {"response": schemas.of(returns)}, "required": ["response"]}
    item = schemas.of(returns.item)  # pyright: ignore[reportUnknownMemberType]
    result: Schema = {"type": "array", "items": item}
    if operation.path.removesuffix(".json").endswith("}"):
        # The documentation shows a list, the official client reads an object: the path is that of one item.
        result = any_of([item, result])
    members = {"response": result, "count": {"type": ["integer", "null"]}, "pagination": _schema("Pagination")}
    return {"type": "object", "properties": members, "required": ["response"]}


def _security(operation: Operation[Any]) -> list[Schema]:
    if operation in _NO_TOKEN:
        return []
    scopes = [operation.scope] if operation.scope is not None else []
    return [{"bearer": scopes}, {"oauth2": scopes}]


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _schema(name: str) -> Schema:
    return _component("schemas", name)


def _component(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}
