"""Damaged responses to every operation: always a model, or an error of the package that names the operation."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from typing import Any, TypeGuard

import pytest
from hypothesis import HealthCheck, given, seed, settings, strategies as st

from cloud66_async import Cloud66, Drift, errors
from cloud66_async._core.model import Model
from cloud66_async.operation import Call, Many, Page, Response
from cloud66_async.resources import modules, operations
from cloud66_async.transport import BufferedResponse

from ..support import ONCE, Script, client, make_response
from .damage import EXAMPLES, HOSTILE, Answer, answers, damaged_response, swept

SEEDS = (1, 2)
EACH = 3  # examples for each operation and seed
LONGEST_MESSAGE = 2000

pytestmark = pytest.mark.filterwarnings("ignore::cloud66_async.errors.Cloud66Warning")


class Door:
    """A client, the script of its transport, and the event loop in which it works."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._script = Script()
        self.drift = Drift()
        self.c66: Cloud66 = client(self._script, retry=ONCE, drift=self.drift)

    def send(self, call: Call[Any], response: BufferedResponse) -> Response[Any] | errors.Cloud66Error:
        """Return the result of a call that gets this response."""
        self._script.replies = [response]
        self._script.requests.clear()
        try:
            return self._runner.run(self.c66.send(call))
        except errors.Cloud66Error as error:
            return error


@pytest.fixture
def door(reports: set[str]) -> Iterator[Door]:
    with asyncio.Runner() as runner:
        door = Door(runner)
        yield door
        runner.run(door.c66.aclose())


def is_page(value: object) -> TypeGuard[Page[Any]]:
    return isinstance(value, Page)


def is_list(returns: object) -> TypeGuard[Many[Any]]:
    return isinstance(returns, Many)


def check_usable(value: object) -> None:
    """Check that a model can be shown, compared, stored and sent as JSON."""
    if is_page(value):
        assert pickle.loads(pickle.dumps(value)) == value
        for item in value.items:
            check_usable(item)
    if isinstance(value, Model):
        text = json.dumps(value.to_dict(), allow_nan=False, ensure_ascii=False)
        assert not {'"inf"', '"-inf"', '"nan"'} & set(text.encode().decode().split())
        json.dumps(value.to_dict(words=True), allow_nan=False)
        assert repr(value).isprintable()
        assert pickle.loads(pickle.dumps(value)) == value
        value._repr_html_().encode()


def check_result(result: Response[Any] | errors.Cloud66Error, answer: Answer, status: int = 200) -> None:
    returns: Any = answer.operation.returns
    assert isinstance(result, errors.APIError) is not (200 <= status < 300)
    if isinstance(result, Response):
        if is_list(returns):
            assert all(type(item) is returns.item for item in result.data.items)
        elif isinstance(returns, type) and issubclass(returns, Model):
            assert type(result.data) is returns
        else:
            assert result.data is None or type(result.data) is returns or returns is Any
        check_usable(result.data)
        return
    assert isinstance(result, errors.APIError | errors.ResponseError)
    text = str(result)
    assert str(answer.operation) in text
    assert text.isprintable()
    assert len(text) <= LONGEST_MESSAGE
    assert str(pickle.loads(pickle.dumps(result))) == text
    if isinstance(result, errors.ResponseError):
        assert all(is_list(returns) and type(item) is returns.item for item in result.partial)
        check_usable(Page(tuple(result.partial)))
    elif result.retry_at is not None:
        assert result.retry_at.tzinfo is not None


def check_drift(drift: Drift) -> None:
    """Check that the report has nothing unprintable and nothing of any length in it."""
    text = str(drift)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert max(map(len, text.split())) < 150


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("module", [*modules()])
def test_damaged_response_is_a_model_or_an_error(module: str, number: int, door: Door) -> None:
    found = [answer for answer in answers() if answer.name.startswith(f"{module}.")]

    @seed(number)
    @settings(
        max_examples=EACH * len(found) * EXAMPLES,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        answer = data.draw(st.sampled_from(found))
        response = data.draw(damaged_response(answer))
        check_result(door.send(Call(answer.operation, answer.operation.path), response), answer, response.status)

    run()
    check_drift(door.drift)


def test_every_operation_is_damaged() -> None:
    names = [answer.name for answer in answers()]
    assert names == [name for name, _ in operations(variants=True)]
    assert {name.partition(".")[0] for name in names} <= {*modules()}
    for answer in answers():
        found = json.loads(answer.body or b"null")
        assert answer.operation.returns is None or found.get("response", found), answer.name


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_value_in_every_field(text: str, door: Door) -> None:
    by_type = {str(answer.operation.returns): answer for answer in answers()}
    for answer in by_type.values() if EXAMPLES == 1 else answers():
        # A number that is out of range changes how all of an item is decoded.
        for first in (None, "1e400"):
            response = make_response(swept(answer, text, first=first))
            check_result(door.send(Call(answer.operation, answer.operation.path), response), answer)
    check_drift(door.drift)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff\\ud800"', "NaN", "-Infinity"])
def test_invalid_value_after_a_number_out_of_range(text: str, door: Door) -> None:
    # One item in a list and without an envelope is decoded at once, and with such a number, by another decoder.
    for answer in answers():
        returns = answer.operation.returns
        if isinstance(returns, type) and issubclass(returns, Model):
            found = json.loads(swept(answer, text, first="1e400").replace(text.encode(), b'"here"'))
            item = json.dumps([found.get("response", found)]).replace("Infinity", "1e400").replace('"here"', text)
            result = door.send(Call(answer.operation, answer.operation.path), make_response(item.encode()))
            check_result(result, answer)
