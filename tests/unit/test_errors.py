from __future__ import annotations

import copy
import pickle
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

import cloud66_async
from cloud66_async import ActionError, ActionFailed, ActionUnfinished, BulkError, errors
from cloud66_async.bulk import Failed, Ok, values
from cloud66_async.resources.actions import Action

from ..support import make_response

KEPT = make_response()
FIELDS: dict[str, Any] = {
    "status": 404,
    "code": "not_found",
    "message": "No such stack",
    "details": "look again",
    "operation": "GET /stacks/{stack}.json",
    "request_id": "r-1",
}
WHEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
MADE: list[errors.Cloud66Error] = [
    errors.Cloud66Error("plain"),
    errors.ConfigError("no token"),
    errors.LoginError("no"),
    errors.StateMismatch("no"),
    errors.AccessDenied("no"),
    errors.TokenRequestFailed("no", code="invalid_grant", description="stale", status=400),
    errors.TransportError("gone", sent=False),
    errors.TransportTimeout("slow", phase="read", sent=True),
    errors.ResponseError("odd", path="$.response[3].uid", partial=(1, 2), response=KEPT),
    errors.QuotaError("later", retry_at=WHEN),
    errors.AmbiguousName("two", matches=("a", "b")),
    ActionFailed("no", action=Action(id=1, action="deploy")),
    ActionUnfinished("not yet", action=Action(id=1)),
    *(
        kind("404 on GET", response=KEPT, **FIELDS)
        for kind in (
            errors.APIError,
            errors.BadRequest,
            errors.Unauthenticated,
            errors.TrialExpired,
            errors.Forbidden,
            errors.NotFound,
            errors.RequestTimeout,
            errors.Conflict,
            errors.Throttled,
            errors.Unsupported,
            errors.ServerError,
        )
    ),
]


def fields(error: errors.Cloud66Error) -> dict[str, Any]:
    kept = dict(vars(error))
    response = kept.pop("response", None)
    if response is not None:
        kept["response"] = (response.status, response.body, dict(response.headers))
    return kept


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_keeps_everything_in_a_pickle(error: errors.Cloud66Error, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert fields(back) == fields(error)


def test_every_class_of_the_tree_is_among_those_that_were_pickled() -> None:
    made = {type(error) for error in MADE} | {ActionError, BulkError}
    named = {getattr(errors, name) for name in errors.__all__} | {
        ActionError,
        ActionFailed,
        ActionUnfinished,
        BulkError,
    }
    assert named == made


def test_what_is_set_later_survives_pickle_and_copy() -> None:
    forbidden = errors.Forbidden("403", status=403)
    forbidden.scope = "redeploy"
    throttled = errors.Throttled("429", status=429)
    throttled.retry_at = WHEN
    throttled.add_note("seen by the worker")
    assert pickle.loads(pickle.dumps(forbidden)).scope == "redeploy"
    assert copy.copy(throttled).retry_at == WHEN
    assert copy.deepcopy(throttled).__notes__ == ["seen by the worker"]


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        ("StateMismatch", "LoginError"),
        ("AccessDenied", "LoginError"),
        ("TokenRequestFailed", "LoginError"),
        ("TransportTimeout", "TransportError"),
        ("BadRequest", "APIError"),
        ("Unauthenticated", "APIError"),
        ("TrialExpired", "APIError"),
        ("Forbidden", "APIError"),
        ("NotFound", "APIError"),
        ("RequestTimeout", "APIError"),
        ("Conflict", "APIError"),
        ("Throttled", "APIError"),
        ("Unsupported", "APIError"),
        ("ServerError", "APIError"),
        ("ActionFailed", "ActionError"),
        ("ActionUnfinished", "ActionError"),
    ],
)
def test_the_tree_is_as_documented(kind: str, parent: str) -> None:
    assert getattr(cloud66_async, kind).__bases__ == (getattr(cloud66_async, parent),)
    lines = (errors.__doc__ or "").splitlines()
    assert any(line.split("── ")[-1].startswith(kind) for line in lines if "── " in line)


def test_an_unsupported_operation_is_no_failure_of_the_server() -> None:
    assert not issubclass(errors.Unsupported, errors.ServerError)
    assert not issubclass(errors.Throttled, errors.ServerError)


def bulk_error() -> BulkError:
    found = errors.NotFound("404", status=404)
    late = errors.TransportTimeout("slow", phase="read")
    results: list[Ok[str, int] | Failed[str]] = [Ok("a", 1), Failed("b", found), Ok("c", 3), Failed("d", late)]
    with pytest.raises(BulkError) as caught:
        values(results)
    return caught.value


def test_a_bulk_error_holds_what_arrived_and_counts_what_did_not() -> None:
    error = bulk_error()
    assert str(error).startswith("2 of 4 calls failed; first error: 404")
    assert [result.value for result in error.results if isinstance(result, Ok)] == [1, 3]
    assert [type(each) for each in error.exceptions] == [errors.NotFound, errors.TransportTimeout]


def test_except_star_takes_a_bulk_error_apart_and_keeps_the_results() -> None:
    caught: list[BaseExceptionGroup[Any]] = []
    try:
        raise bulk_error()
    except* errors.NotFound as group:
        caught.append(group)
    except* errors.TransportError as group:
        caught.append(group)
    assert [type(part) for part in caught] == [BulkError, BulkError]
    assert [len(part.exceptions) for part in caught] == [1, 1]
    assert all(len(part.results) == 4 for part in caught if isinstance(part, BulkError))


def test_a_bulk_error_is_caught_as_an_error_of_the_package_too() -> None:
    with pytest.raises(errors.Cloud66Error):
        raise bulk_error()


def test_split_keeps_the_results_on_both_sides() -> None:
    missing, rest = bulk_error().split(errors.NotFound)
    assert isinstance(missing, BulkError)
    assert isinstance(rest, BulkError)
    assert missing.results == rest.results
    assert len(missing.results) == 4


def test_a_bulk_error_pickles_with_results_and_exceptions() -> None:
    error = bulk_error()
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert [str(each) for each in back.exceptions] == [str(each) for each in error.exceptions]
    assert [type(result) for result in back.results] == [type(result) for result in error.results]


def test_a_bulk_error_prints() -> None:
    text = "".join(traceback.format_exception(bulk_error()))
    assert "2 of 4 calls failed" in text
    assert "slow" in text
