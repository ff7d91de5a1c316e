"""Routes: which operations a request belongs to."""

from __future__ import annotations

import pytest

from cloud66_async.operation import delete, get, post
from cloud66_async.resources import operations
from cloud66_async.sandbox.routes import Routes, api_routes

from ..support import count_calls


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=str)
def test_every_operation_has_a_route(name: str, operation: object) -> None:
    path = operation.path.replace("{", "").replace("}", "")  # type: ignore[attr-defined]
    match = api_routes().find(operation.method, path)  # type: ignore[attr-defined]
    assert match is not None
    assert operation in match[0].operations
    assert name in match[0].names


def test_values_in_paths_are_decoded() -> None:
    match = api_routes().find("GET", "/stacks/a%2Fb%20c.json")
    assert match is not None
    assert match[1] == ("a/b c",)


def test_operations_with_one_method_and_path_share_a_route() -> None:
    first, second, third = get("/a/{one}.json"), get("/a/{other}"), delete("/a/{one}")
    match = Routes([("a.get", first), ("b.get", second), ("a.delete", third)]).find("GET", "/a/1")
    assert match is not None
    assert (match[0].operations, match[0].names, match[1]) == ((first, second), ("a.get", "b.get"), ("1",))


@pytest.mark.parametrize("reverse", [False, True])
def test_literal_segments_take_precedence(reverse: bool) -> None:
    paths = ["/jobs/{job}", "/jobs/pause_all", "/jobs/{job}/run", "/{any}/pause_all/log", "/jobs/pause_all/stop"]
    if reverse:
        paths.reverse()
    routes = Routes((path, get(path)) for path in paths)
    expected = {
        "/jobs/1": ("/jobs/{job}", ("1",)),
        "/jobs/pause_all": ("/jobs/pause_all", ()),
        "/jobs/pause_all/run": ("/jobs/{job}/run", ("pause_all",)),
        "/jobs/pause_all/log": ("/{any}/pause_all/log", ("jobs",)),
        "/jobs/pause_all/stop": ("/jobs/pause_all/stop", ()),
    }
    for path, (name, values) in expected.items():
        match = routes.find("GET", path)
        assert match is not None
        assert (match[0].names, match[1]) == ((name,), values)
    for unknown in ("/jobs", "/jobs/1/2", "/jobs/1/run/2", "/other/1"):
        assert routes.find("GET", unknown) is None
    assert routes.find("POST", "/jobs/1") is None


def test_lookup_does_not_get_slower_with_the_number_of_routes() -> None:
    def steps(count: int) -> int:
        routes = Routes((f"r{number}.get", post(f"/stacks/{{stack}}/r{number}/{{id}}.json")) for number in range(count))
        path = f"/stacks/a/r{count - 1}/5.json"
        assert routes.find("POST", path) is not None
        return count_calls(lambda: routes.find("POST", path))

    assert 0 < steps(1) == steps(1000)
