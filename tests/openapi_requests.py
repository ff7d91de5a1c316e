"""Requests to the sandbox that an OpenAPI document describes, with values that exist there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from cloud66_async.sandbox import FakeCloud66, Reply, Request

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Requests:
    """Requests to a new sandbox, in which a deployment of each stack has finished.

    Values in paths are found by reading lists: those of `/stacks/{stack}/jobs/{job}` in `/stacks/{stack}/jobs`.
    """

    def __init__(self) -> None:
        self.fake = FakeCloud66(hourly_limit=1_000_000)
        self.fake.seed(6)
        self.token = self.fake.add_token()
        for stack in self.fake.world.stacks:
            self._request("POST", f"/stacks/{stack}/deployments.json", {})
        self.fake.clock.advance(3600)

    def send(self, method: str, path: str, endpoint: Any) -> Reply:
        """Send a request with the required parameters."""
        found = [each for each in endpoint["parameters"] if each.get("required")]
        query = {each["name"]: sample(each["schema"]) for each in found if each["in"] == "query"}
        values = self.values(path, endpoint)
        target = _PLACEHOLDER.sub(lambda name: quote(values[name[1]], safe=""), path)
        if query:
            target += f"?{urlencode(query)}"
        schema = endpoint.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        return self._request(method, target, None if schema is None else sample(schema))

    def values(self, path: str, endpoint: Any) -> dict[str, str]:
        """Return a value for each name in a path: of an item in the list that it leads to, or else "1"."""
        integers = {
            each["name"]
            for each in endpoint["parameters"]
            if each.get("in") == "path" and each["schema"]["type"] == "integer"
        }
        names = _PLACEHOLDER.findall(path)
        found: dict[str, str] = {}
        for attempt in self._search(path.removesuffix(".json"), names, integers, {}):
            found = max(found, attempt, key=len)
            if len(found) == len(names):
                break
        return dict.fromkeys(names, "1") | found

    def _search(
        self, path: str, names: list[str], integers: set[str], known: dict[str, str]
    ) -> Iterator[dict[str, str]]:
        """Yield what is known of the values in a path on each way through the lists. Most stacks lack something."""
        yield known
        if len(known) == len(names):
            return
        name = names[len(known)]
        keys = ("id", "number") if name in integers else (name, f"{name}_name", "uid", "key", "id", "name")
        for item in self._items(path.partition(f"/{{{name}}}")[0], known):
            key = next((key for key in keys if isinstance(item.get(key), str | int)), None)
            if key is not None:
                # Paths have dashes where the keys of settings have dots.
                value = str(item[key]).replace(".", "-" if key == "key" else ".")
                yield from self._search(path, names, integers, known | {name: value})

    def _items(self, path: str, known: dict[str, str]) -> list[dict[str, Any]]:
        """Return the first items of a list."""
        target = _PLACEHOLDER.sub(lambda name: quote(known[name[1]], safe=""), path)
        reply = self._request("GET", f"{target}.json", None)
        response: Any = json.loads(reply.body).get("response") if reply.status == 200 else None
        return response[:8] if isinstance(response, list) else []  # pyright: ignore[reportUnknownVariableType]

    def _request(self, method: str, target: str, body: object) -> Reply:
        headers = {"authorization": f"Bearer {self.token.reveal()}", "content-type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        return self.fake.handle(Request(method, f"/api/3{target}", headers, data))


def sample(schema: Any) -> Any:
    """Return a value that matches a schema, with required members only."""
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: sample(schema["properties"][name]) for name in schema.get("required", [])}
        case "array":
            return [sample(schema["items"])]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return re.sub(r"\^\((.*?)[|)].*", r"\1", schema.get("pattern", "text"))
