"""Decoding the pagination of a list: which values are used, and which are ignored."""

from __future__ import annotations

import attrs
import msgspec
import pytest

from cloud66_async._core import codec
from cloud66_async._core.model import Model
from cloud66_async.operation import Page, many


@attrs.frozen(kw_only=True)
class Thing(Model):
    uid: str
    count: int | None = None


pytestmark = pytest.mark.usefixtures("reports")


@pytest.mark.parametrize(
    ("pagination", "expected"),
    [
        ({"next": "2", "current": "1", "pages": 3.0, "count": "61"}, (1, 2, 3, 61)),
        ({"next": "later", "pages": 3}, (1, None, 3, None)),
        ({"next": [], "current": {}, "pages": None, "count": True}, (1, None, None, None)),
        ({"current": 0}, (1, None, None, None)),
        ([], (1, None, None, None)),
        (5, (1, None, None, None)),
        ("x", (1, None, None, None)),
        (None, (1, None, None, None)),
        ({}, (1, None, None, None)),
    ],
)
@pytest.mark.parametrize("item", [{"uid": "a"}, {"uid": "a", "count": "invalid"}])
def test_valid_pagination_values_are_used_and_others_ignored(
    pagination: object, expected: tuple[int, int | None, int | None, int | None], item: dict[str, object]
) -> None:
    page = codec.decode(msgspec.json.encode({"response": [item], "pagination": pagination}), many(Thing))
    assert page == Page((Thing(uid="a"),), *expected)


def test_pagination_with_invalid_utf8_is_ignored() -> None:
    page = codec.decode(b'{"response":[{"uid":"a"}],"pagination":{"next":"\xff"}}', many(Thing))
    assert page == Page((Thing(uid="a"),))


def test_out_of_range_page_number_is_none() -> None:
    page = codec.decode(b'{"response":[{"uid":"a"}],"pagination":{"next":1e999,"pages":4}}', many(Thing))
    assert (page.next, page.pages) == (None, 4)
