from __future__ import annotations

import importlib
import inspect
import pickle
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs
import pytest

from cloud66_async import resources
from cloud66_async._core.enums import OpenStrEnum
from cloud66_async._core.parameters import Nested
from cloud66_async.operation import Call, Many, Operation, Page, Response, delete, get, many, patch, post, put
from cloud66_async.quota import Quota
from cloud66_async.resources._resource import Resource
from cloud66_async.resources.actions import Action
from cloud66_async.resources.stacks import Redeployment, Stack
from cloud66_async.secret import Secret
from cloud66_async.transport import BufferedResponse

READ = get("/stacks/{stack}/things/{thing}.json", Stack, query={"filter": str | None})
WRITE = post("/stacks/{stack}/things.json", Stack, body={"name": str | None, "size": int | None})


# --- bind() ----------------------------------------------------------------------------------------


def test_bind_fills_the_path() -> None:
    assert READ.bind(stack="a", thing=5).path == "/stacks/a/things/5.json"


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E%2E%2E"),
        ("../../etc", "..%2F..%2Fetc"),
        ("a?b=c", "a%3Fb%3Dc"),
        ("a#b", "a%23b"),
        ("a%2Fb", "a%252Fb"),
        ("a b", "a%20b"),
        (" ", "%20"),
        ("ä€😀", "%C3%A4%E2%82%AC%F0%9F%98%80"),
        ("²", "%C2%B2"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        ("\x00\x7f", "%00%7F"),
        ("a\\b", "a%5Cb"),
        ("a;b,c&d+e", "a%3Bb%2Cc%26d%2Be"),
        ("{stack}", "%7Bstack%7D"),
        ("%(stack)s", "%25%28stack%29s"),
        (7, "7"),
        (-7, "-7"),
    ],
)
def test_path_value_is_encoded_as_one_segment(value: str | int, segment: str) -> None:
    path = READ.bind(stack=value, thing="x").path
    assert path == f"/stacks/{segment}/things/x.json"
    assert path.count("/") == 4


@pytest.mark.parametrize("name", ["stack", "thing"])
def test_empty_path_value_raises_value_error_with_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"invalid {name}: must not be empty"):
        READ.bind(**{"stack": "a", "thing": "b", name: ""})


@pytest.mark.parametrize("value", [None, 1.5, True, b"a", ["a"], object()])
def test_path_value_of_unsupported_type_raises_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="invalid thing: expected a string or an integer"):
        READ.bind(stack="a", thing=value)


def test_lone_surrogate_raises_value_error() -> None:
    with pytest.raises(ValueError):
        READ.bind(stack="\ud800", thing=1)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"stack": "a"}, r"missing \['thing'\], unknown \[\]"),
        ({}, r"missing \['stack', 'thing'\]"),
        ({"stack": "a", "thing": 1, "color": 2}, r"missing \[\], unknown \['color'\]"),
        ({"stack": "a", "filtre": "x"}, r"missing \['thing'\], unknown \['filtre'\]"),
    ],
)
def test_missing_or_unknown_names_raise_type_error(values: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        READ.bind(**values)


def test_none_values_are_omitted() -> None:
    call = READ.bind(stack="a", thing=1, filter=None)
    assert (call.query, call.body) == ({}, None)
    assert WRITE.bind(stack="a", name=None, size=0).body == {"size": 0}


def test_operation_with_body_parameters_sends_an_empty_body() -> None:
    assert WRITE.bind(stack="a").body == {}
    assert WRITE.bind(stack="a", name=None).body == {}


def test_parameters_are_split_into_path_query_and_body() -> None:
    operation = post("/x/{x}.json", query={"q": str | None}, body={"b": str | None})
    call = operation.bind(x=1, q="query", b="body")
    assert (call.path, call.query, call.body) == ("/x/1.json", {"q": "query"}, {"b": "body"})


def test_page_adds_the_page_number_and_keeps_other_values() -> None:
    call = READ.bind(stack="a", thing=1, filter="x")
    assert call.page(3).query == {"filter": "x", "page": "3"}
    assert call.query == {"filter": "x"}
    assert (call.page(3).path, call.page(3).operation) == (call.path, READ)


def test_call_repr_hides_the_body() -> None:
    assert "hush" not in repr(WRITE.bind(stack="a", name="hush"))


def test_only_get_is_repeatable_by_default() -> None:
    factories = {"GET": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}
    assert {name: factory("/x.json").repeatable for name, factory in factories.items()} == {
        "GET": True,
        "POST": False,
        "PUT": False,
        "PATCH": False,
        "DELETE": False,
    }
    assert [factory("/x.json").method for factory in factories.values()] == list(factories)
    assert not get("/queues/{queue}/pop.json", repeatable=False).repeatable
    assert put("/x.json", repeatable=True).repeatable


def test_operation_str_is_method_and_path() -> None:
    assert str(READ) == "GET /stacks/{stack}/things/{thing}.json"
    assert READ.names == {"stack", "thing"}


# --- types of parameters -------------------------------------------------------------------------


class Size(OpenStrEnum):
    SMALL = "small"
    LARGE = "large"


TYPED = post(
    "/things/{thing:int}/keys/{key:secret}.json",
    Stack,
    query={"limit": Literal[0, 1] | None},
    body={
        "name": str,
        "count": int | None,
        "on": bool | None,
        "size": Size | None,
        "kind": Literal["a", "b"] | None,
        "tags": list[str] | None,
        "counts": dict[str, int] | None,
        "password": Secret | None,
        "anything": Any | None,
        "owner": Nested({"first": str, "last": str | None, "size": Size | None}, required=False),
        "parts": Nested({"id": int}, many=True, required=False),
    },
)


def bound(**values: object) -> Call[Stack]:
    return TYPED.bind(thing=1, key="k", **{"name": "n", **values})


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("count", 3, 3),
        ("on", False, False),
        ("size", Size.LARGE, "large"),
        ("size", "small", "small"),
        ("kind", "b", "b"),
        ("tags", ("x", "y"), ["x", "y"]),
        ("tags", {"x"}, ["x"]),
        ("tags", (), []),
        ("counts", {"a": 1}, {"a": 1}),
        ("password", "hush", Secret("hush")),
        ("password", Secret("hush"), Secret("hush")),
        ("name", Secret("hush"), Secret("hush")),
        ("anything", [1, {"a": None}], [1, {"a": None}]),
        ("owner", {"first": "a", "last": None, "size": "small"}, {"first": "a", "size": "small"}),
        ("parts", [{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 2}]),
    ],
)
def test_values_of_the_right_type_are_sent(name: str, value: object, sent: object) -> None:
    assert (bound(**{name: value}).body or {})[name] == sent


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("name", None, TypeError, r"missing \['name'\]"),
        ("name", 5, TypeError, "invalid name: expected a string, not int"),
        ("name", b"n", TypeError, "invalid name: expected a string, not bytes"),
        ("count", "3", TypeError, "invalid count: expected an integer, not str"),
        ("count", True, TypeError, "invalid count: expected an integer, not bool"),
        ("count", 3.0, TypeError, "invalid count: expected an integer, not float"),
        ("on", 1, TypeError, "invalid on: expected True or False, not int"),
        ("size", "huge", ValueError, r"invalid size \('huge'\): expected one of 'small', 'large'"),
        ("size", Size("huge"), ValueError, "invalid size"),
        ("kind", "c", ValueError, r"invalid kind \('c'\): expected one of 'a', 'b'"),
        ("limit", 2, ValueError, r"invalid limit \(2\): expected one of 0, 1"),
        ("limit", True, ValueError, "invalid limit"),
        ("tags", "x,y", TypeError, "invalid tags: expected a list, not str"),
        ("tags", [1], TypeError, "invalid tags: expected a string, not int"),
        ("tags", {"x": 1}, TypeError, "invalid tags: expected a list, not dict"),
        ("counts", "a:1", TypeError, "invalid counts: expected a mapping, not str"),
        ("password", 5, TypeError, "invalid password: expected a string, not int"),
        ("counts", {"a": "1"}, TypeError, "invalid counts: expected an integer, not str"),
        ("counts", {1: 1}, TypeError, "invalid counts: expected strings as keys"),
        ("owner", "a", TypeError, "invalid owner: expected a mapping, not str"),
        ("owner", {"last": "a"}, TypeError, r"invalid owner: missing \['first'\], unknown \[\]"),
        ("owner", {"first": "a", "age": 5}, TypeError, r"invalid owner: missing \[\], unknown \['age'\]"),
        ("owner", {"first": 5}, TypeError, "invalid first: expected a string, not int"),
        ("owner", {"first": "a", "size": "huge"}, ValueError, r"invalid size \('huge'\)"),
        ("parts", [{"id": "1"}], TypeError, "invalid id: expected an integer, not str"),
        ("parts", {"id": 1}, TypeError, "invalid parts: expected a list, not dict"),
    ],
)
def test_wrong_values_are_rejected_before_anything_is_sent(
    name: str, value: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        bound(**{name: value})


def test_types_and_requirements_are_data() -> None:
    parameters = {parameter.name: parameter for parameter in TYPED.body_parameters}
    assert [name for name, parameter in parameters.items() if parameter.required] == ["name"]
    assert parameters["size"].choices == ("small", "large")
    assert parameters["kind"].choices == ("a", "b")
    assert (parameters["tags"].base, parameters["counts"].base, parameters["anything"].base) == (list, dict, object)
    assert TYPED.path == "/things/{thing}/keys/{key}.json"
    assert (TYPED.integers, TYPED.secrets) == (frozenset({"thing"}), frozenset({"key"}))


def test_secrets_are_hidden_in_the_body_and_in_the_path() -> None:
    call = TYPED.bind(thing=1, key="hush", name="n", password="hush")
    assert call.path == "/things/1/keys/hush.json"
    assert str(call) == "POST /things/1/keys/{key}.json"
    assert "hush" not in repr(call.body)


def test_operations_that_start_an_action_are_asynchronous() -> None:
    assert post("/x.json", Action).asynchronous
    assert post("/x.json", Redeployment).asynchronous
    assert not TYPED.asynchronous


# --- Response -------------------------------------------------------------------------------------


def test_response_has_metadata_and_pickles() -> None:
    buffered = BufferedResponse(200, b'{"response":1}', {"x-cloud66-warning": "soon"})
    response = Response(Page((1, 2)), buffered, request_id="r-1", quota=Quota(3600, 7))
    restored: Response[Page[int]] = pickle.loads(pickle.dumps(response))
    for one in (response, restored):
        assert (one.status, one.raw, one.request_id) == (200, b'{"response":1}', "r-1")
        assert one.headers["x-cloud66-warning"] == "soon"
        assert one.quota == Quota(3600, 7)
        assert one.data.items == (1, 2)


def test_response_repr_hides_the_body() -> None:
    response = Response(None, BufferedResponse(200, b"hush"), request_id="r-1", quota=Quota())
    assert repr(response) == "<Response 200, 4 bytes, request r-1>"
    assert "hush" not in repr(BufferedResponse(200, b"hush"))


def test_buffered_response_returns_headers_as_bytes() -> None:
    buffered = BufferedResponse(200, b"", {"retry-after": "7"})
    assert buffered.header(b"retry-after") == b"7"
    assert buffered.header(b"other") is None


# --- every operation of the package ------------------------------------------------------------------

MODULES = [importlib.import_module(f"{resources.__name__}.{name}") for name in resources.modules()]
CLASSES = [
    thing
    for module in MODULES
    for thing in vars(module).values()
    if inspect.isclass(thing) and issubclass(thing, Resource) and thing.__module__ == module.__name__
]


def operations(module: Any) -> Iterator[tuple[str, Operation[Any]]]:
    """Yield the name and value of each operation in a module."""
    resource = module.__name__.rpartition(".")[2]
    for name, operation in resources.operations():
        owner, _, method = name.partition(".")
        if owner == resource:
            yield method.upper(), operation


def test_operations_are_found() -> None:
    assert sum(1 for module in MODULES for _ in operations(module)) >= 9
    assert {kind.__name__ for kind in CLASSES} >= {"Stacks", "Servers", "Actions", "Deployments"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_operation_is_well_formed(module: Any) -> None:
    for name, operation in operations(module):
        assert name.isupper()
        assert operation.path.startswith("/")
        assert operation.repeatable == (operation.method == "GET") or (operation.path, operation.repeatable) == (
            "/queues/{queue}.json",
            False,
        )
        assert not set(operation.query) & set(operation.body)
        assert not operation.names & {*operation.query, *operation.body}
        assert operation.method != "GET" or not operation.body
        item: Any = getattr(operation.returns, "item", operation.returns)
        assert item is None or attrs.has(item) or item in (str, Secret, Any)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_public_method_and_class_has_a_docstring(kind: type[Resource]) -> None:
    assert kind.__doc__
    for name, function in vars(kind).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            assert function.__doc__, f"{kind.__name__}.{name}"
            assert function.__doc__.splitlines()[0].endswith("."), f"{kind.__name__}.{name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_model_and_property_has_a_docstring(module: Any) -> None:
    for name in module.__all__:
        kind: Any = getattr(module, name)
        if not inspect.isclass(kind):
            continue  # a type alias
        members: Mapping[str, object] = kind.__dict__
        assert "\n" in (kind.__doc__ or "") or (kind.__doc__ or "").strip().endswith("."), name
        for inner, thing in members.items():
            if isinstance(thing, property) and not inner.startswith("_"):
                assert thing.__doc__, f"{name}.{inner}"


def test_many_returns_a_hashable_result_type() -> None:
    assert many(Stack) == Many(Stack)
    assert hash(many(Stack)) == hash(Many(Stack))
