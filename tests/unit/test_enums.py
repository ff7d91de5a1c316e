from __future__ import annotations

import copy
import pickle
from typing import Any, cast

import msgspec
import pytest

from cloud66_async._core.model import OpenIntEnum, OpenStrEnum
from cloud66_async.resources.common import Health
from cloud66_async.resources.stacks import DeployStrategy, StackStatus

UNKNOWN: list[OpenIntEnum | OpenStrEnum] = [
    StackStatus(99),
    StackStatus(-4),
    DeployStrategy("sideways"),
    DeployStrategy(""),
]
KNOWN: list[OpenIntEnum | OpenStrEnum] = [StackStatus.DEPLOYED, Health.UNKNOWN, DeployStrategy.FAST]


@pytest.mark.parametrize("member", UNKNOWN + KNOWN, ids=repr)
def test_member_equals_its_value_and_a_recreated_member(member: OpenIntEnum | OpenStrEnum) -> None:
    kind: Any = type(member)
    assert member == member.value
    assert kind(member.value) == member
    assert hash(kind(member.value)) == hash(member)
    assert hash(member.value) == hash(member)


@pytest.mark.parametrize("member", UNKNOWN + KNOWN, ids=repr)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_member_survives_pickle_and_copy(member: OpenIntEnum | OpenStrEnum, protocol: int) -> None:
    restored = pickle.loads(pickle.dumps(member, protocol))
    assert (type(restored), restored, restored.name, restored.known) == (
        type(member),
        member,
        member.name,
        member.known,
    )
    assert copy.copy(member) == copy.deepcopy(member) == member


def test_known_is_true_for_declared_members_only() -> None:
    assert not any(member.known for member in UNKNOWN)
    assert all(member.known for member in KNOWN)


def test_known_member_is_always_the_same_object() -> None:
    assert StackStatus(1) is StackStatus.DEPLOYED
    assert DeployStrategy("fast") is DeployStrategy.FAST


def test_int_enum_members_format_as_words() -> None:
    assert str(StackStatus.DEPLOYMENT_FAILED) == "deployment failed"
    assert f"{StackStatus.DEPLOYMENT_FAILED:>20}|" == "   deployment failed|"
    assert f"{StackStatus(99)} and {StackStatus(-4)}" == "unknown 99 and unknown minus 4"
    assert repr(StackStatus(99)) == "<StackStatus.UNKNOWN_99: 99>"


def test_str_enum_members_format_as_their_values() -> None:
    assert f"{DeployStrategy.FAST}, {DeployStrategy('sideways'):>9}" == "fast,  sideways"


def test_unknown_members_are_not_cached() -> None:
    before = len(StackStatus), len(DeployStrategy)
    for number in range(1000, 1100):
        StackStatus(number)
        DeployStrategy(f"new {number}")
    assert (len(StackStatus), len(DeployStrategy)) == before
    assert 1000 not in StackStatus._value2member_map_
    assert "new 1000" not in DeployStrategy._value2member_map_


@pytest.mark.parametrize("value", ["deployed", None, 1.5, [], object()])
def test_int_enum_rejects_values_that_are_not_integers(value: object) -> None:
    with pytest.raises(ValueError):
        StackStatus(cast("Any", value))


@pytest.mark.parametrize("value", [1, None, [], object()])
def test_str_enum_rejects_values_that_are_not_strings(value: object) -> None:
    with pytest.raises(ValueError):
        DeployStrategy(cast("Any", value))


def test_enum_members_are_encoded_as_their_values() -> None:
    assert msgspec.json.encode([*UNKNOWN, *KNOWN]) == b'[99,-4,"sideways","",1,0,"fast"]'
