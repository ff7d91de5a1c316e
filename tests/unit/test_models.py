"""Properties that every model of every resource must have."""

from __future__ import annotations

import json
import pickle
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
import pytest

from cloud66_async._core import codec
from cloud66_async._core.model import IsoTimestamp, Model, OpenIntEnum, OpenStrEnum, Timestamp
from cloud66_async.secret import Secret

from ..support import SECRET
from .test_operation import MODULES


def models() -> Iterator[type[Model]]:
    """Yield every model of every resource."""
    for module in MODULES:
        names: dict[str, object] = module.__dict__
        for thing in names.values():
            if isinstance(thing, type) and issubclass(thing, Model) and thing.__module__ == module.__name__:
                yield thing


def sample(hint: Any) -> Any:
    """Return JSON data of this type."""
    if hint in (Timestamp, IsoTimestamp):
        return "2014-09-01T19:00:33Z"
    arguments = [each for each in typing.get_args(hint) if each is not type(None)]
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"free": [1, {"form": None}] if arguments[1] is Any else sample(arguments[1])}
    if origin in (tuple, list):
        return [sample(arguments[0])] * 2
    if origin is not None and arguments:
        return sample(arguments[0])
    if hint is Secret:
        return SECRET
    if hint is Any:
        return {"any": [1, None]}
    if issubclass(hint, Model):
        return full_sample(hint)
    if issubclass(hint, OpenIntEnum):
        return 99
    if issubclass(hint, OpenStrEnum):
        return "unknown"
    return {str: "text", int: 7, float: 1.5, bool: True}[hint]


def full_sample(kind: type[Model]) -> dict[str, Any]:
    """Return JSON data with every field of this model."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: sample(hints[field.name]) for field in attrs.fields(kind)}


def decoded(kind: type[Model]) -> Any:
    """Return an instance of this model, decoded with every field set."""
    return codec.decode(msgspec.json.encode({"response": full_sample(kind)}), kind)


every_model = pytest.mark.parametrize("kind", list(models()), ids=lambda kind: kind.__name__)


@every_model
def test_every_timestamp_decodes_to_a_datetime(kind: type[Model]) -> None:
    timestamps = [
        name for name, hint in typing.get_type_hints(kind, include_extras=True).items() if hint == Timestamp | None
    ]
    model = decoded(kind)
    assert [getattr(model, name) for name in timestamps] == [datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC)] * len(
        timestamps
    )


def test_models_are_found() -> None:
    assert {kind.__name__ for kind in models()} >= {"Stack", "Server", "Action", "Deployment", "Redeployment"}


@every_model
def test_every_field_is_decoded(kind: type[Model], reports: set[str]) -> None:
    model = decoded(kind)
    assert type(model) is kind
    assert all(getattr(model, field.name) is not None for field in attrs.fields(kind))
    assert reports == set()


@every_model
def test_model_supports_equality_hash_and_pickle(kind: type[Model]) -> None:
    model = decoded(kind)
    assert model == decoded(kind)
    assert hash(model) == hash(decoded(kind))
    assert pickle.loads(pickle.dumps(model)) == model


@every_model
def test_to_dict_returns_json_values_and_redacts_secrets(kind: type[Model]) -> None:
    model = decoded(kind)
    text = json.dumps(model.to_dict())
    assert SECRET not in text + repr(model)
    assert json.loads(text).keys() == {field.name for field in attrs.fields(kind)}


# What a model is about, where that is not its identifier: the API always sends it.
CONTENT = {
    "AccessPublicKey": {"public_key"},
    "AccessRule": {"entity_uri"},
    "AgentRegistration": {"agent_uuid"},
    "BackupFileUrl": {"public_url"},
    "Configuration": {"type"},
    "Device": {"token"},
    "DnsProvider": {"uuid"},
    "EntityTag": {"value"},
    "EntityTags": {"entity_id"},
    "EnvironmentVariableFile": {"contents"},
    "Notification": {"alert_name"},
    "NotificationFailure": {"alert_name"},
    "NotificationSubscription": {"channel"},
    "OneTimePassword": {"otp"},
    "RegistryCredential": {"username"},
    "StackProfile": {"stack_uid"},
    "StencilRender": {"filename"},
    "StencilTemplate": {"filename"},
}


@every_model
def test_only_identifiers_are_required(kind: type[Model]) -> None:
    required = [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]
    assert set(required) <= CONTENT.get(kind.__name__, {"uid", "id", "name", "key"})
    assert all(field.kw_only for field in attrs.fields(kind))
