from __future__ import annotations

import copy
import hmac
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any, cast

import attrs
import msgspec
import pytest
import rich.console
import rich.pretty
import rich.traceback

from cloud66_async import Secret, Token
from cloud66_async._core.model import IsoTimestamp, Model, Timestamp, free_form
from cloud66_async.resources.common import Health
from cloud66_async.resources.stacks import DeployStrategy, Stack, StackStatus
from cloud66_async.secret import Hidden
from cloud66_async.transport import SharedHeaders

from ..support import SECRET


@attrs.frozen(kw_only=True)
class Inner(Model):
    key: Secret | None = None
    status: StackStatus | None = None


@attrs.frozen(kw_only=True)
class Outer(Model):
    uid: str
    at: Timestamp | None = None
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    named: Mapping[str, Inner] | None = free_form()
    strategy: DeployStrategy | None = None
    hook: Secret | None = None


FULL = Outer(
    uid="a",
    at=datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC),
    inner=Inner(key=Secret(SECRET), status=StackStatus(99)),
    many=(Inner(key=Secret(SECRET)),),
    named={"x": Inner(key=Secret(SECRET))},
    strategy=DeployStrategy("sideways"),
    hook=Secret(SECRET),
)

RENDERERS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda value: f"{value} {value!r} {value!s} {value!a}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "str.format": "{0} {0!r}".format,
    "in a list": lambda value: repr([value, {"key": value}]),
    "pprint": pprint.pformat,
    "rich": lambda value: rich.pretty.pretty_repr(value, expand_all=True),
    "asdict": lambda value: repr(attrs.asdict(value) if isinstance(value, Model) else value),
}


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    "value", [Secret(SECRET), Token(SECRET), FULL, Hidden(SECRET.encode()), SharedHeaders([("Authorization", SECRET)])]
)
def test_secret_is_redacted(renderer: str, value: object) -> None:
    shown = RENDERERS[renderer](value)
    assert SECRET not in shown
    assert "********" in shown


@pytest.mark.parametrize("value", [Secret(SECRET), Token(SECRET)])
def test_redacted_secret_honors_the_format_width(value: Secret) -> None:
    assert f"{value:>12}|" == "    ********|"


def test_mask_hides_the_length() -> None:
    assert repr(Secret("a")) == repr(Secret("a" * 100))


def test_secret_cannot_be_encoded_as_json() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(Secret(SECRET))
    assert SECRET not in str(caught.value)
    with pytest.raises(TypeError):
        msgspec.json.encode(FULL)


def test_secret_is_redacted_in_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("application").warning("got %s and %r of %s", FULL.hook, Token(SECRET), FULL)
    assert "********" in caplog.text
    assert SECRET not in caplog.text


def _raise_with_secrets_in_locals(stack: Outer, token: Token, headers: SharedHeaders) -> None:
    hidden = headers.encoded
    assert hidden
    raise RuntimeError("with locals")


def test_secrets_in_traceback_locals_are_redacted() -> None:
    with pytest.raises(RuntimeError) as caught:
        _raise_with_secrets_in_locals(FULL, Token(SECRET), SharedHeaders([("Authorization", f"Bearer {SECRET}")]))
    error = caught.value
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    file = StringIO()
    rich.console.Console(file=file, width=200).print(
        rich.traceback.Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    )
    shown = "".join(plain.format()) + file.getvalue()
    assert "********" in shown
    assert SECRET not in shown


def test_reveal_returns_the_value() -> None:
    assert Secret(SECRET).reveal() == SECRET
    assert FULL.hook is not None
    assert FULL.hook.reveal() == SECRET


def test_secrets_compare_by_value_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def compare(left: Any, right: Any) -> bool:
        compared.append((left, right))
        return bool(left == right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") == Token("a")
    assert compared == [(b"a", b"a"), (b"a", b"b"), (b"a", b"a")]


def test_secret_is_not_equal_to_its_string() -> None:
    assert Secret("a") != "a"
    assert Secret("ü\ud800") == Secret("ü\ud800")


def test_equal_secrets_share_a_hash_that_differs_from_the_strings() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert hash(Secret("a")) != hash("a")


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("duplicate", [pytest.param(copy.copy), pytest.param(copy.deepcopy), pytest.param(pickled)])
def test_secrets_and_models_survive_pickle_and_copy(duplicate: Callable[[Any], Any]) -> None:
    assert duplicate(Secret(SECRET)) == Secret(SECRET)
    assert duplicate(FULL) == FULL
    assert duplicate(FULL).inner.key.reveal() == SECRET


# --- to_dict ------------------------------------------------------------------------------------


def test_to_dict_returns_json_values_and_redacts_secrets() -> None:
    found = FULL.to_dict()
    assert json.loads(json.dumps(found)) == {
        "uid": "a",
        "at": "2014-08-14T00:38:14+00:00",
        "inner": {"key": "********", "status": 99},
        "many": [{"key": "********", "status": None}],
        "named": {"x": {"key": "********", "status": None}},
        "strategy": "sideways",
        "hook": "********",
    }


def test_to_dict_converts_enum_members_to_plain_values() -> None:
    found = Stack(uid="a", health=Health.HEALTHY).to_dict()
    assert type(found["health"]) is int
    assert found["health"] == 3


# --- equality and hash ---------------------------------------------------------------------------


def test_model_with_free_form_fields_is_hashable() -> None:
    one, two = Stack(uid="a", considerations={"x": [1]}), Stack(uid="a", considerations={"x": [2]})
    assert hash(one) == hash(two)
    assert one != two
    assert {one: 1}[Stack(uid="a", considerations={"x": [1]})] == 1


def test_model_is_frozen_and_rejects_new_attributes() -> None:
    stack = Stack(uid="a")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        stack.uid = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        stack.other = 1  # type: ignore[attr-defined]


def test_missing_timestamp_is_filled_from_iso_field() -> None:
    timestamps = [datetime(2014, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    stack = Stack(uid="a", created_at_iso=timestamps[0], updated_at=timestamps[1], updated_at_iso=timestamps[2])
    assert stack.created_at == timestamps[0]
    assert stack.updated_at == timestamps[1]
    assert stack.last_activity is None


# --- timestamps of models ---------------------------------------------------------------------------

TIME = datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)
TEXT = "2014-08-14 00:38:14 UTC"


class DatetimeSubclass(datetime):
    """A third-party subclass of `datetime`, such as those of pandas and freezegun."""


@attrs.frozen(kw_only=True)
class ForwardReference(Model):
    at: Timestamp | None = None
    at_iso: DefinedLater | None = None  # a forward reference


DefinedLater = IsoTimestamp


@attrs.frozen(kw_only=True)
class Derived(ForwardReference):
    more: Timestamp | None = None


class Undecorated(Derived):
    pass


@attrs.frozen(kw_only=True, slots=False)
class WithDict(Derived):
    most: Timestamp | None = None


@attrs.frozen(kw_only=True)
class PostInit(Derived):
    twice: int = 1

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        object.__setattr__(self, "twice", self.twice * 2)


def constructed(kind: Any, **fields: object) -> Any:
    return kind(**fields)


def decoded(kind: Any, **fields: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)


def converted(kind: Any, **fields: object) -> Any:
    return msgspec.convert(fields, kind)


@pytest.mark.parametrize("make", [constructed, decoded, converted])
@pytest.mark.parametrize("kind", [Derived, Undecorated, WithDict, PostInit])
def test_timestamps_are_parsed_however_the_model_is_created(make: Callable[..., Any], kind: Any) -> None:
    extra = {"most": TEXT} if kind is WithDict else {}
    model = make(kind, at=TEXT, more=1407976694, **extra)
    assert (type(model), model.at, model.at_iso, model.more) == (kind, TIME, None, TIME)
    assert getattr(model, "most", TIME) == TIME
    assert getattr(model, "twice", 2) == 2
    assert make(kind, at="", more="0001-01-01T00:00:00Z") == kind()


@pytest.mark.parametrize("make", [constructed, converted])
@pytest.mark.parametrize("given", [TIME, DatetimeSubclass(2015, 1, 1, tzinfo=UTC)], ids=["datetime", "subclass"])
def test_datetime_is_kept_unchanged(make: Callable[..., Any], given: datetime) -> None:
    model = make(Derived, at=given, at_iso=datetime(2016, 1, 1, tzinfo=UTC), more=given)
    assert model.at is given
    assert model.more is given


@pytest.mark.parametrize("given", [None, "", "yesterday", [], 5])
@pytest.mark.parametrize("make", [constructed, converted])
def test_iso_field_replaces_anything_but_a_datetime(make: Callable[..., Any], given: object) -> None:
    assert make(Derived, at=given, at_iso=TIME).at == TIME


@pytest.mark.parametrize("value", ["yesterday", True, [], {}, 1e300])
def test_model_rejects_invalid_timestamp(value: object) -> None:
    with pytest.raises(ValueError, match=r"invalid timestamp|Invalid isoformat string"):
        constructed(Derived, at=value)
    for make in (decoded, converted):
        with pytest.raises(msgspec.ValidationError):
            make(Derived, at=value)


def test_evolve_parses_a_timestamp_string() -> None:
    model = Derived(more=TIME)
    assert attrs.evolve(model, at=cast("Any", TEXT)) == Derived(at=TIME, more=TIME)


@pytest.mark.parametrize("duplicate", [pytest.param(copy.copy), pytest.param(copy.deepcopy), pytest.param(pickled)])
def test_timestamps_survive_pickle_and_copy(duplicate: Callable[[Any], Any]) -> None:
    model = Derived(at=TIME, more=TIME)
    assert duplicate(model) == model
