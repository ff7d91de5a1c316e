from __future__ import annotations

import copy
import hmac
import json
import logging
import math
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
from cloud66_async._core.model import IsoTimestamp, Model, OpenIntEnum, OpenStrEnum, Timestamp, free_form
from cloud66_async._core.timestamps import parse_timestamp
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

SHOWN: dict[str, Callable[[Any], str]] = {
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


@pytest.mark.parametrize("way", SHOWN)
@pytest.mark.parametrize(
    "value", [Secret(SECRET), Token(SECRET), FULL, Hidden(SECRET.encode()), SharedHeaders([("Authorization", SECRET)])]
)
def test_a_secret_does_not_show(way: str, value: object) -> None:
    shown = SHOWN[way](value)
    assert SECRET not in shown
    assert "********" in shown


@pytest.mark.parametrize("value", [Secret(SECRET), Token(SECRET)])
def test_a_secret_fits_into_a_column(value: Secret) -> None:
    assert f"{value:>12}|" == "    ********|"


def test_the_mask_tells_nothing_of_the_length() -> None:
    assert repr(Secret("a")) == repr(Secret("a" * 100))


def test_a_secret_is_not_json() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(Secret(SECRET))
    assert SECRET not in str(caught.value)
    with pytest.raises(TypeError):
        msgspec.json.encode(FULL)


def test_a_secret_does_not_get_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("somebody").warning("got %s and %r of %s", FULL.hook, Token(SECRET), FULL)
    assert "********" in caplog.text
    assert SECRET not in caplog.text


def _raise(stack: Outer, token: Token, headers: SharedHeaders) -> None:
    hidden = headers.encoded
    assert hidden
    raise RuntimeError("with locals")


def test_a_traceback_with_locals_shows_masks() -> None:
    with pytest.raises(RuntimeError) as caught:
        _raise(FULL, Token(SECRET), SharedHeaders([("Authorization", f"Bearer {SECRET}")]))
    error = caught.value
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    file = StringIO()
    rich.console.Console(file=file, width=200).print(
        rich.traceback.Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    )
    shown = "".join(plain.format()) + file.getvalue()
    assert "********" in shown
    assert SECRET not in shown


def test_reveal_is_the_way_out() -> None:
    assert Secret(SECRET).reveal() == SECRET
    assert FULL.hook is not None
    assert FULL.hook.reveal() == SECRET


def test_secrets_compare_by_their_text_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[object, object]] = []

    def compare(left: Any, right: Any) -> bool:
        received.append((left, right))
        return bool(left == right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") == Token("a")
    assert received == [(b"a", b"a"), (b"a", b"b"), (b"a", b"a")]


def test_a_secret_is_not_equal_to_its_text() -> None:
    assert Secret("a") != "a"
    assert Secret("ü\ud800") == Secret("ü\ud800")


def test_equal_secrets_have_one_hash_and_it_is_not_that_of_the_text() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert hash(Secret("a")) != hash("a")


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("back", [pytest.param(copy.copy), pytest.param(copy.deepcopy), pytest.param(pickled)])
def test_secrets_and_models_survive_pickle_and_copy(back: Callable[[Any], Any]) -> None:
    assert back(Secret(SECRET)) == Secret(SECRET)
    assert back(FULL) == FULL
    assert back(FULL).inner.key.reveal() == SECRET


# --- to_dict ------------------------------------------------------------------------------------


def test_to_dict_is_ready_for_json_and_masks_secrets() -> None:
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


def test_to_dict_gives_plain_values_for_states() -> None:
    found = Stack(uid="a", health=Health.HEALTHY).to_dict()
    assert type(found["health"]) is int
    assert found["health"] == 3


# --- equality and hash ---------------------------------------------------------------------------


def test_a_model_with_free_form_fields_has_a_hash() -> None:
    one, two = Stack(uid="a", considerations={"x": [1]}), Stack(uid="a", considerations={"x": [2]})
    assert hash(one) == hash(two)
    assert one != two
    assert {one: 1}[Stack(uid="a", considerations={"x": [1]})] == 1


def test_a_model_is_frozen_and_has_no_room_for_more() -> None:
    stack = Stack(uid="a")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        stack.uid = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        stack.other = 1  # type: ignore[attr-defined]


def test_a_missing_timestamp_is_filled_from_its_twin() -> None:
    timestamps = [datetime(2014, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    stack = Stack(uid="a", created_at_iso=timestamps[0], updated_at=timestamps[1], updated_at_iso=timestamps[2])
    assert stack.created_at == timestamps[0]
    assert stack.updated_at == timestamps[1]
    assert stack.last_activity is None


# --- timestamps of a model --------------------------------------------------------------------------

WHEN = datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)
TEXT = "2014-08-14 00:38:14 UTC"


class Later(datetime):
    """A `datetime` of somebody else's, such as those of pandas and freezegun."""


@attrs.frozen(kw_only=True)
class Early(Model):
    at: Timestamp | None = None
    at_iso: Defined | None = None  # made before that name exists


Defined = IsoTimestamp


@attrs.frozen(kw_only=True)
class Derived(Early):
    more: Timestamp | None = None


class Undecorated(Derived):
    pass


@attrs.frozen(kw_only=True, slots=False)
class WithDict(Derived):
    most: Timestamp | None = None


@attrs.frozen(kw_only=True)
class Doubled(Derived):
    twice: int = 1

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        object.__setattr__(self, "twice", self.twice * 2)


def called(kind: Any, **fields: object) -> Any:
    return kind(**fields)


def decoded(kind: Any, **fields: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)


def converted(kind: Any, **fields: object) -> Any:
    return msgspec.convert(fields, kind)


@pytest.mark.parametrize("make", [called, decoded, converted])
@pytest.mark.parametrize("kind", [Derived, Undecorated, WithDict, Doubled])
def test_the_timestamps_of_a_model_are_read_however_it_is_made(make: Callable[..., Any], kind: Any) -> None:
    own = {"most": TEXT} if kind is WithDict else {}
    model = make(kind, at=TEXT, more=1407976694, **own)
    assert (type(model), model.at, model.at_iso, model.more) == (kind, WHEN, None, WHEN)
    assert getattr(model, "most", WHEN) == WHEN
    assert getattr(model, "twice", 2) == 2
    assert make(kind, at="", more="0001-01-01T00:00:00Z") == kind()


@pytest.mark.parametrize("make", [called, converted])
@pytest.mark.parametrize("given", [WHEN, Later(2015, 1, 1, tzinfo=UTC)], ids=["datetime", "its subclass"])
def test_a_timestamp_that_is_one_is_kept(make: Callable[..., Any], given: datetime) -> None:
    model = make(Derived, at=given, at_iso=datetime(2016, 1, 1, tzinfo=UTC), more=given)
    assert model.at is given
    assert model.more is given


@pytest.mark.parametrize("given", [None, "", "yesterday", [], 5])
@pytest.mark.parametrize("make", [called, converted])
def test_a_twin_is_taken_whatever_else_was_given(make: Callable[..., Any], given: object) -> None:
    assert make(Derived, at=given, at_iso=WHEN).at == WHEN


@pytest.mark.parametrize("value", ["yesterday", True, [], {}, 1e300])
def test_what_is_no_timestamp_does_not_get_into_a_model(value: object) -> None:
    with pytest.raises(ValueError, match=r"invalid timestamp|Invalid isoformat string"):
        called(Derived, at=value)
    for make in (decoded, converted):
        with pytest.raises(msgspec.ValidationError):
            make(Derived, at=value)


def test_a_model_may_be_evolved_with_a_timestamp_as_text() -> None:
    model = Derived(more=WHEN)
    assert attrs.evolve(model, at=cast("Any", TEXT)) == Derived(at=WHEN, more=WHEN)


@pytest.mark.parametrize("back", [pytest.param(copy.copy), pytest.param(copy.deepcopy), pytest.param(pickled)])
def test_timestamps_survive_pickle_and_copy(back: Callable[[Any], Any]) -> None:
    model = Derived(at=WHEN, more=WHEN)
    assert back(model) == model


# --- open enumerations ---------------------------------------------------------------------------

UNKNOWN: list[OpenIntEnum | OpenStrEnum] = [
    StackStatus(99),
    StackStatus(-4),
    DeployStrategy("sideways"),
    DeployStrategy(""),
]
KNOWN: list[OpenIntEnum | OpenStrEnum] = [StackStatus.DEPLOYED, Health.UNKNOWN, DeployStrategy.FAST]


@pytest.mark.parametrize("member", UNKNOWN + KNOWN, ids=repr)
def test_a_member_is_equal_to_its_value_and_to_itself_made_again(member: OpenIntEnum | OpenStrEnum) -> None:
    kind: Any = type(member)
    assert member == member.value
    assert kind(member.value) == member
    assert hash(kind(member.value)) == hash(member)
    assert hash(member.value) == hash(member)


@pytest.mark.parametrize("member", UNKNOWN + KNOWN, ids=repr)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_member_pickles(member: OpenIntEnum | OpenStrEnum, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(member, protocol))
    assert (type(back), back, back.name, back.known) == (type(member), member, member.name, member.known)
    assert copy.copy(member) == copy.deepcopy(member) == member


def test_known_tells_whether_this_release_knows_the_value() -> None:
    assert not any(member.known for member in UNKNOWN)
    assert all(member.known for member in KNOWN)


def test_a_known_member_is_the_same_object_however_it_is_made() -> None:
    assert StackStatus(1) is StackStatus.DEPLOYED
    assert DeployStrategy("fast") is DeployStrategy.FAST


def test_numbered_states_print_in_words() -> None:
    assert str(StackStatus.DEPLOYMENT_FAILED) == "deployment failed"
    assert f"{StackStatus.DEPLOYMENT_FAILED:>20}|" == "   deployment failed|"
    assert f"{StackStatus(99)} and {StackStatus(-4)}" == "unknown 99 and unknown minus 4"
    assert repr(StackStatus(99)) == "<StackStatus.UNKNOWN_99: 99>"


def test_named_states_print_as_the_api_has_them() -> None:
    assert f"{DeployStrategy.FAST}, {DeployStrategy('sideways'):>9}" == "fast,  sideways"


def test_unknown_members_are_not_kept() -> None:
    before = len(StackStatus), len(DeployStrategy)
    for number in range(1000, 1100):
        StackStatus(number)
        DeployStrategy(f"new {number}")
    assert (len(StackStatus), len(DeployStrategy)) == before
    assert 1000 not in StackStatus._value2member_map_
    assert "new 1000" not in DeployStrategy._value2member_map_


@pytest.mark.parametrize("value", ["deployed", None, 1.5, [], object()])
def test_what_is_no_number_is_no_numbered_state(value: object) -> None:
    with pytest.raises(ValueError):
        StackStatus(cast("Any", value))


@pytest.mark.parametrize("value", [1, None, [], object()])
def test_what_is_no_text_is_no_named_state(value: object) -> None:
    with pytest.raises(ValueError):
        DeployStrategy(cast("Any", value))


def test_states_are_sent_as_their_values() -> None:
    assert msgspec.json.encode([*UNKNOWN, *KNOWN]) == b'[99,-4,"sideways","",1,0,"fast"]'


# --- timestamps -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("2014-09-01T19:00:33Z", datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC)),
        ("2014-06-15T14:13:18+00:00", datetime(2014, 6, 15, 14, 13, 18, tzinfo=UTC)),
        ("2014-08-14 00:38:14 UTC", datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)),
        ("2021-01-04T21:32:33+0000", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2015-02-10T17:41:36.988310784Z", datetime(2015, 2, 10, 17, 41, 36, 988310, tzinfo=UTC)),
        ("2021-01-04T23:32:33+02:00", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04T21:32:33", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04 21:32:33", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC)),
        ("2021-01-04", datetime(2021, 1, 4, tzinfo=UTC)),
        ("  2014-08-14 00:38:14 UTC ", datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)),
        (1409598033, datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC)),
        (1409598033.5, datetime(2014, 9, 1, 19, 0, 33, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01 00:00:00 UTC", None),
        ("", None),
        ("  ", None),
    ],
)
def test_every_spelling_of_the_api_is_a_timestamp_with_a_zone(spelling: object, expected: datetime | None) -> None:
    found = parse_timestamp(spelling)
    assert found == expected
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "value",
    ["yesterday", "2014-13-01T00:00:00Z", "UTC", " UTC", True, None, [], {}, 1e300, -1e300, math.nan, 10**20],
)
def test_what_is_no_timestamp_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(value)
