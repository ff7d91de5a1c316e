from __future__ import annotations

import copy
import pickle
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

import cloud66_async
from cloud66_async import ActionError, ActionFailed, ActionUnfinished, BulkError, WebhookError, errors
from cloud66_async.bulk import Failed, Ok, values
from cloud66_async.resources.actions import Action

from ..support import make_response

RESPONSE = make_response()
FIELDS: dict[str, Any] = {
    "status": 404,
    "code": "not_found",
    "message": "No such stack",
    "details": "look again",
    "operation": "GET /stacks/{stack}.json",
    "request_id": "r-1",
}
RETRY_AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
ERRORS: list[errors.Cloud66Error] = [
    errors.Cloud66Error("plain"),
    errors.ConfigError("invalid URL"),
    errors.MissingToken("no token"),
    errors.LoginError("no"),
    errors.StateMismatch("no"),
    errors.AccessDenied("no"),
    errors.TokenRequestFailed("no", code="invalid_grant", description="stale", status=400),
    errors.TransportError("connection lost", sent=False),
    errors.TransportTimeout("slow", phase="read", sent=True),
    errors.ResponseError("unexpected type", path="$.response[3].uid", partial=(1, 2), response=RESPONSE),
    errors.QuotaError("later", retry_at=RETRY_AT),
    errors.StoreError("cannot save the login: Redis failed"),
    errors.AmbiguousName("two", matches=("a", "b")),
    ActionFailed("no", action=Action(id=1, action="deploy")),
    ActionUnfinished("not yet", action=Action(id=1)),
    *(
        kind("404 on GET", response=RESPONSE, **FIELDS)
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
    WebhookError("no"),
]


def attributes(error: errors.Cloud66Error) -> dict[str, Any]:
    """Return the attributes of an error in a form that can be compared."""
    found = dict(vars(error))
    response = found.pop("response", None)
    if response is not None:
        found["response"] = (response.status, response.body, dict(response.headers))
    return found


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_keeps_its_attributes_when_pickled(error: errors.Cloud66Error, protocol: int) -> None:
    restored = pickle.loads(pickle.dumps(error, protocol))
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert attributes(restored) == attributes(error)


def test_every_error_class_is_covered_by_the_pickle_test() -> None:
    tested = {type(error) for error in ERRORS} | {ActionError, BulkError}
    public = {getattr(errors, name) for name in errors.__all__ if name != "Cloud66Warning"} | {
        ActionError,
        ActionFailed,
        ActionUnfinished,
        BulkError,
        WebhookError,
    }
    assert public == tested


def test_attributes_set_later_survive_pickle_and_copy() -> None:
    forbidden = errors.Forbidden("403", status=403)
    forbidden.scope = "redeploy"
    throttled = errors.Throttled("429", status=429)
    throttled.retry_at = RETRY_AT
    throttled.add_note("seen by the worker")
    assert pickle.loads(pickle.dumps(forbidden)).scope == "redeploy"
    assert copy.copy(throttled).retry_at == RETRY_AT
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
def test_error_hierarchy_matches_the_documentation(kind: str, parent: str) -> None:
    assert getattr(cloud66_async, kind).__bases__ == (getattr(cloud66_async, parent),)
    lines = (errors.__doc__ or "").splitlines()
    assert any(line.split("── ")[-1].startswith(kind) for line in lines if "── " in line)


def test_unsupported_and_throttled_are_not_server_errors() -> None:
    assert not issubclass(errors.Unsupported, errors.ServerError)
    assert not issubclass(errors.Throttled, errors.ServerError)


def bulk_error() -> BulkError:
    """Return the error of four calls, two of which failed."""
    not_found = errors.NotFound("404", status=404)
    timed_out = errors.TransportTimeout("slow", phase="read")
    results: list[Ok[str, int] | Failed[str]] = [Ok("a", 1), Failed("b", not_found), Ok("c", 3), Failed("d", timed_out)]
    with pytest.raises(BulkError) as caught:
        values(results)
    return caught.value


def test_bulk_error_holds_results_and_counts_failures() -> None:
    error = bulk_error()
    assert str(error).startswith("2 of 4 calls failed; first error: 404")
    assert [result.value for result in error.results if isinstance(result, Ok)] == [1, 3]
    assert [type(each) for each in error.exceptions] == [errors.NotFound, errors.TransportTimeout]


def test_except_star_splits_bulk_error_and_keeps_results() -> None:
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


def test_bulk_error_is_caught_as_cloud66_error() -> None:
    with pytest.raises(errors.Cloud66Error):
        raise bulk_error()


def test_split_keeps_results_in_both_groups() -> None:
    missing, others = bulk_error().split(errors.NotFound)
    assert isinstance(missing, BulkError)
    assert isinstance(others, BulkError)
    assert missing.results == others.results
    assert len(missing.results) == 4


def test_bulk_error_pickles_with_results_and_exceptions() -> None:
    error = bulk_error()
    restored = pickle.loads(pickle.dumps(error))
    assert str(restored) == str(error)
    assert [str(each) for each in restored.exceptions] == [str(each) for each in error.exceptions]
    assert [type(result) for result in restored.results] == [type(result) for result in error.results]


def test_bulk_error_traceback_shows_every_failure() -> None:
    text = "".join(traceback.format_exception(bulk_error()))
    assert "2 of 4 calls failed" in text
    assert "slow" in text
