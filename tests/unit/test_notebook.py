"""What notebooks show: tables of models and of lists, and words instead of numbers."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import attrs
import msgspec

from cloud66_async import Health, Secret, Stack, StackStatus
from cloud66_async._core.model import Model, free_form
from cloud66_async.resources.stacks import DeployStrategy

from ..support import SECRET, Script, client, make_response, pages
from .listings import FakeListing

CREATED = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
STACK = Stack(
    uid="u1",
    name="<b>&amp;\u202e\x1b[31m",
    status=StackStatus.DEPLOYMENT_FAILED,
    health=Health(99),
    created_at=CREATED,
    created_at_iso=CREATED,
    redeploy_hook=Secret(SECRET),
    is_busy=False,
    namespaces=("a", "é"),
    considerations={"<i>": [1, None]},
)


class Table(HTMLParser):
    """Reads HTML: the texts of each row's cells, and other texts. Unclosed and unexpected elements are errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
        assert {name for name, _ in attrs} <= {"style", "scope"}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.texts.append(data)


def shown(value: Any) -> Table:
    """Return what a notebook shows for a value."""
    html = value._repr_html_()
    assert SECRET not in html
    return Table(html)


# --- words ---------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Nested(Model):
    uid: str
    stack: Stack | None = None
    stacks: tuple[Stack, ...] = ()
    named: Mapping[str, Stack] | None = free_form()
    strategy: DeployStrategy | None = None


def test_words_replace_numbered_states_everywhere() -> None:
    model = Nested(uid="a", stack=STACK, stacks=(STACK,), named={"x": STACK}, strategy=DeployStrategy.FAST)
    found = json.loads(json.dumps(model.to_dict(words=True)))
    for stack in (found["stack"], found["stacks"][0], found["named"]["x"]):
        assert (stack["status"], stack["health"]) == ("deployment failed", "unknown 99")
        assert stack["redeploy_hook"] == "********"
        assert stack["created_at"] == "2026-03-02T09:12:30+00:00"
    assert found["strategy"] == "fast"
    assert Nested(uid="a", strategy=DeployStrategy("sideways")).to_dict(words=True)["strategy"] == "sideways"


def test_numbers_without_words() -> None:
    found = STACK.to_dict()
    assert (found["status"], found["health"]) == (2, 99)
    assert type(found["status"]) is int
    assert dict(STACK) == found


# --- one model -----------------------------------------------------------------------------------------


def test_model_is_a_table_of_its_fields_with_values() -> None:
    table = shown(STACK)
    assert table.texts == ["Stack"]
    assert table.rows == [
        ["uid", "u1"],
        ["name", "<b>&amp;\u0020[31m"],
        ["status", "deployment failed"],
        ["health", "unknown 99"],
        ["created_at", "2026-03-02T09:12:30+00:00"],
        ["redeploy_hook", "********"],
        ["is_busy", "false"],
        ["namespaces", '["a", "é"]'],
        ["considerations", '{"<i>": [1, null]}'],
    ]


def test_long_value_is_shortened() -> None:
    (_, (_, text)) = shown(Stack(uid="a", last_log="line\n" * 1000)).rows
    assert text.startswith("line line line")
    assert text.endswith("…")
    assert len(text) < 310


def test_value_that_is_not_json_is_shown_as_text() -> None:
    assert shown(Stack(uid="a", considerations={"x": {1}})).rows[1] == ["considerations", '{"x": "{1}"}']


# --- lists ---------------------------------------------------------------------------------------------


async def listed(*stacks: dict[str, Any], page: int = 30) -> list[Stack]:
    """Return stacks from a list that is read page by page."""
    parts = [stacks[start : start + page] for start in range(0, len(stacks), page)] or [()]
    async with client(Script(pages(*parts))) as c66:
        return await c66.stacks.list()


async def test_list_is_a_table_of_the_fields_with_values() -> None:
    table = shown(await listed({"uid": "a", "name": "<web>"}, {"uid": "b", "status": 1, "redeploy_hook": SECRET}))
    assert table.rows == [
        ["uid", "name", "status", "redeploy_hook"],
        ["a", "<web>", "", ""],
        ["b", "", "deployed", "********"],
    ]
    assert table.texts == []


async def test_long_list_shows_its_beginning_and_how_much_is_left() -> None:
    names = ("name", "git", "git_branch", "environment", "cloud", "fqdn", "language", "framework")
    full = dict.fromkeys(names, "x")
    more = {"deploy_directory": "y" * 100, "backend": "x", "version": "x", "revision": "x", "cluster_name": "x"}
    stacks = [{"uid": str(number), **full, **more} for number in range(131)]
    table = shown(await listed(*stacks))
    assert len(table.rows) == 101
    assert table.rows[0] == ["uid", *full, "deploy_directory", "backend", "version"]
    assert table.rows[100][0] == "99"
    assert table.rows[1][9] == "y" * 80 + "…"
    assert table.texts == ["31 more items and 2 more fields not shown"]


async def test_one_item_more() -> None:
    assert shown(await listed(*({"uid": str(number)} for number in range(101)))).texts == ["1 more item not shown"]


async def test_lists_without_models_have_no_table() -> None:
    found: list[Any] = [await listed(), await FakeListing(2).pager()]
    assert [each._repr_html_() for each in found] == [None, None]


async def test_list_is_a_plain_list_in_every_other_respect() -> None:
    found = await listed({"uid": "a"}, {"uid": "b"}, {"uid": "c"}, page=2)
    plain = [Stack(uid="a"), Stack(uid="b"), Stack(uid="c")]
    assert isinstance(found, list)
    assert found == plain
    assert plain == found
    assert repr(found) == repr(plain)
    assert not hasattr(found, "__dict__")
    copies = (found[:], found.copy(), found + [], found * 1, copy.copy(found), copy.deepcopy(found))  # noqa: RUF005
    for each in (*copies, pickle.loads(pickle.dumps(found))):
        assert type(each) is list
        assert each == plain
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert b"cloud66_async.pager" not in pickle.dumps(found, protocol)
    assert json.dumps([each.uid for each in found]) == '["a", "b", "c"]'
    found.append(plain[0])
    assert len(found) == 4


async def test_list_of_texts_is_encoded_as_a_list() -> None:
    found = await FakeListing(2).pager()
    assert json.dumps(found) == '["1.0", "1.1"]'
    assert msgspec.json.encode(found) == b'["1.0","1.1"]'


async def test_pages_are_read_in_order_only_once() -> None:
    listing = FakeListing(2, 1)
    assert await listing.pager() == listing.all_items()
    assert listing.requested == [1, 2]


def test_calls_do_not_import_the_tables() -> None:
    code = "import sys; from cloud66_async import Stack; print(*sys.modules)"
    imported = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "cloud66_async._core.model" in imported
    assert not {"cloud66_async._core.notebook", "cloud66_async.drift"} & set(imported)


# --- pagers --------------------------------------------------------------------------------------------


async def test_pager_names_its_request_and_says_how_to_read_it() -> None:
    async with client(Script(make_response([]))) as c66:
        assert repr(c66.stacks.list(environment=SECRET)) == (
            "<Pager of GET /stacks.json: await it for a list, or iterate over it with `async for`>"
        )
        assert "GET /stacks/s1/servers.json" in repr(c66.servers.list("s1"))
    assert repr(FakeListing(1).pager()).startswith("<Pager: await it")
