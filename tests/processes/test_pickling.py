"""What passes between processes pickles, with `pickle` and with the `cloudpickle` that Dask uses."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import cloud66_async
from cloud66_async import (
    BulkError,
    Cloud66,
    Cloud66Error,
    Failed,
    NotFound,
    Ok,
    Quota,
    Retry,
    Secret,
    Timeouts,
    Token,
    TransportError,
    cluster,
    errors,
)
from cloud66_async._core.arguments import UNCHANGED
from cloud66_async._core.enums import OpenIntEnum, OpenStrEnum
from cloud66_async.bulk import BatchReport, BatchResult
from cloud66_async.cluster import Batch, BatchOutcome, EngineError
from cloud66_async.models import Stack
from cloud66_async.operation import Call, Page, get, many
from cloud66_async.resources import modules, operations, stacks
from cloud66_async.rollout import RolloutResult, RolloutState
from cloud66_async.sandbox import FakeCloud66

from ..support import TOKEN, Script, client
from ..unit.test_models import decoded, models
from .cluster_parts import MemoryClaims, collect, in_process, stack_name

Dumps = Callable[[Any], bytes]


@pytest.fixture(params=["pickle", "cloudpickle"])
def dumps(request: pytest.FixtureRequest) -> Dumps:
    found: Dumps = pytest.importorskip(request.param).dumps
    return found


def moved(dumps: Dumps, value: Any) -> Any:
    return pickle.loads(dumps(value))


# --- models and errors, all of them --------------------------------------------------------------


def test_models(dumps: Dumps) -> None:
    found = [decoded(kind) for kind in models()]
    assert len(found) > 60
    assert moved(dumps, found) == found


def enumerations() -> Iterator[Any]:
    for name in modules():
        for value in vars(import_module(f"cloud66_async.resources.{name}")).values():
            if isinstance(value, type) and issubclass(value, enum.Enum) and len(value):
                yield value


def test_enumerations_with_unknown_members(dumps: Dumps) -> None:
    kinds = set(enumerations())
    assert len(kinds) > 15
    for kind in kinds:
        members = list(kind)
        if issubclass(kind, OpenIntEnum):
            members.append(kind(987_654))
        elif issubclass(kind, OpenStrEnum):
            members.append(kind("unheard of"))
        restored = moved(dumps, members)
        assert restored == members
        assert [type(member) for member in restored] == [type(member) for member in members]


def error_classes(kind: type[Cloud66Error] = Cloud66Error) -> Iterator[type[Cloud66Error]]:
    if kind.__module__.startswith("cloud66_async"):
        yield kind
    for below in kind.__subclasses__():
        yield from error_classes(below)


VALUES: dict[str, Any] = {
    "str": "text",
    "int": 418,
    "bool": False,
    "datetime": datetime(2026, 11, 27, tzinfo=UTC),
    "tuple": ("a", 1),
    "BufferedResponse": None,
    "Action": decoded(next(kind for kind in models() if kind.__name__ == "Action")),
}


def make(kind: type[Cloud66Error]) -> Cloud66Error:
    """Return an error of this class, each of whose attributes has a value."""
    if issubclass(kind, BulkError):
        failed = NotFound("gone", status=404)
        found = kind("some failed", [failed, TransportError("x", sent=False)])
        found.results = (Ok(1, decoded(Stack)), Failed(2, failed))
        found.report = BatchReport(pages=3, singles=4)
        return found
    parameters = list(inspect.signature(kind.__init__).parameters.values())
    options = {
        parameter.name: next(
            (value for word, value in VALUES.items() if word in str(parameter.annotation)), ("anything", 7)
        )
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    error = kind("what has happened", **options)
    error.add_note("a note")
    error.rollout_results = (RolloutResult(uid="a", state=RolloutState.FAILED, reference="c66:1:0:0"),)
    return error


def imported() -> list[type[Cloud66Error]]:
    for name in cloud66_async.__all__:
        getattr(cloud66_async, name)  # imports the modules that define errors
    return sorted(set(error_classes()), key=lambda kind: kind.__name__)


def test_errors(dumps: Dumps) -> None:
    kinds = imported()
    assert len(kinds) > 25
    assert EngineError in kinds
    assert {getattr(errors, name) for name in errors.__all__ if name != "Cloud66Warning"} <= set(kinds)
    for kind in kinds:
        error = make(kind)
        restored = moved(dumps, error)
        assert type(restored) is kind
        assert str(restored) == str(error)
        assert comparable(restored) == comparable(error), kind


def comparable(error: Cloud66Error) -> dict[str, Any]:
    """Return the attributes of an error. Errors compare by identity, so those in it become text."""
    return {
        name: repr(value) if name in ("results", "error", "result") else value for name, value in vars(error).items()
    }


def test_bulk_error_keeps_its_results_and_exceptions(dumps: Dumps) -> None:
    error = make(BulkError)
    restored = moved(dumps, error)
    assert isinstance(restored, BulkError)
    assert [type(each) for each in restored.exceptions] == [NotFound, TransportError]
    assert restored.results[0] == Ok(1, decoded(Stack))
    assert restored.report == BatchReport(pages=3, singles=4)


# --- operations and calls ------------------------------------------------------------------------


def test_operations_of_resources_are_the_same_objects(dumps: Dumps) -> None:
    for name, operation in operations(variants=True):
        assert moved(dumps, operation) is operation, name
        assert copy.deepcopy(operation) == operation
    assert len(dumps(stacks.GET)) < 200


def test_no_two_operations_are_equal() -> None:
    found = [operation for _, operation in operations(variants=True)]
    assert len(set(found)) == len({id(operation) for operation in found})


def test_other_operations_are_equal(dumps: Dumps) -> None:
    operation = get("/things/{thing:int}.json", many(Stack), query={"state": str | None})
    restored = moved(dumps, operation)
    assert restored is not operation
    assert restored == operation
    assert hash(restored) == hash(operation)
    assert restored != get("/things/{thing:int}.json", many(Stack))
    assert restored != "GET /things/{thing}.json"


def test_calls_are_equal(dumps: Dumps) -> None:
    call = stacks.REDEPLOY.bind(stack="a", git_ref="v1")
    restored: Call[Any] = moved(dumps, call)
    assert restored == call
    assert hash(restored) == hash(call)
    assert restored.operation is stacks.REDEPLOY
    assert call != stacks.REDEPLOY.bind(stack="a", git_ref="v2")
    assert call != stacks.REDEPLOY.bind(stack="b", git_ref="v1")


# --- values --------------------------------------------------------------------------------------


def test_values(dumps: Dumps) -> None:
    batch = BatchResult([decoded(Stack)])
    batch.report = BatchReport(pages=1)
    values = [
        Ok("a", decoded(Stack)),
        Quota(3000, 7),
        Page((1, 2), number=2, next=3),
        Secret("hidden"),
        Token("abc", scopes=("public",)),
        Retry(attempts=7),
        Timeouts(total=3),
        batch,
        RolloutResult(uid="a", state=RolloutState.RUNNING, reference="c66:1:0:0"),
        BatchOutcome((Ok(1, "x"),)),
        UNCHANGED,
    ]
    restored = moved(dumps, values)
    assert restored == values
    assert restored[7].report == batch.report
    assert restored[-1] is UNCHANGED
    failed = moved(dumps, Failed("a", NotFound("gone", status=404)))
    assert (failed.item, str(failed.error), failed.error.status) == ("a", "gone", 404)


def test_batch_is_small_and_does_not_show_its_items(dumps: Dumps) -> None:
    from cloud66_async.cluster.work import to_work

    items = tuple(enumerate(["0123456789abcdef0123456789abcdef"] * 25))
    batch = Batch(
        block="b",
        number=3,
        work=to_work(stacks.GET, writes=None),
        items=items,
        run="r",
        claims=dumps(MemoryClaims("x")),
    )
    assert moved(dumps, batch) == batch
    assert moved(dumps, batch).work.target is stacks.GET
    assert len(dumps(batch)) < 2000
    assert repr(batch) == "<Batch cloud66-b-3: 25 items>"


async def test_results_of_a_list(dumps: Dumps, cloud66: FakeCloud66) -> None:
    cloud66.add_stack("web")
    async with cloud66.client() as c66:
        found = await c66.stacks.list()
        response = await c66.send(stacks.LIST.bind())
    assert moved(dumps, found) == list(found)
    restored = moved(dumps, response)
    assert (restored.data, restored.status, restored.quota) == (response.data, 200, response.quota)


# --- what must not leave the process -------------------------------------------------------------


async def test_clients_and_their_methods_are_refused(dumps: Dumps) -> None:
    c66 = client(Script())
    view = c66.using(account=3)
    for value in (c66, view, c66.stacks, view.stacks.get, {"client": c66}):
        with pytest.raises(TypeError, match="a client cannot be pickled or copied: it holds connections and a token"):
            dumps(value)
    for other in (c66.stacks.list(), c66.stacks.rollout(["a"])):
        with pytest.raises((TypeError, AttributeError), match=r"pickle|local object"):
            dumps(other)
    await c66.aclose()


def test_class_of_the_client_can_be_sent(dumps: Dumps) -> None:
    assert moved(dumps, Cloud66) is Cloud66
    assert TOKEN.encode() not in dumps(cluster.StoredLogin)


async def test_function_of_a_script_is_sent_by_value(cloud66: FakeCloud66) -> None:
    """Dask sends a function that the workers cannot import, which is one of `__main__`, with its code."""
    cloudpickle = pytest.importorskip("cloudpickle")
    uid = cloud66.add_stack("web").uid
    module = ModuleType("a_script")
    exec("async def name(c66, uid):\n    return (await c66.stacks.get(uid)).name\n", vars(module))
    module.name.__module__ = "__main__"
    sent = pickle.loads(cloudpickle.dumps(module.name))
    async with in_process(cloud66) as engine:
        (result,) = await collect(cluster.each(engine, stack_name, [uid]))
        assert isinstance(result, Ok)
        async with cloud66.client() as c66:
            assert await sent(c66, uid) == result.value == "web"
