"""Stacks in the sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

import attrs

from ...resources import stacks as api
from ...resources.common import Health
from ...resources.stacks import StackStatus
from ..handling import Context, Listing, handles
from ..hooks import with_hook
from ..parameters import bad_request
from ..samples import CLOUDS, account_owner, legacy_timestamp, sample_uid, timestamp
from ..stack import FakeStack

if TYPE_CHECKING:
    from ..table import Record
    from ..world import World

__all__ = ["SETTLED", "Traits", "add", "field_names", "new", "sample", "seed", "start_deployment"]

_FILTERS = {
    "filter_name": "name",
    "filter_environment": "environment",
    "filter_git_repo": "git",
    "filter_git_branch": "git_branch",
}
_MAX_REFERENCE = 255


@attrs.frozen(kw_only=True)
class Traits:
    """What the fields of a sample stack are made from. None stands for a random choice.

    Args:
        seed: Seed of the random choices.
        state: Numbers of the status and the health.
        framework: Framework.
        cloud: Cloud provider.
        maintenance_mode: Whether maintenance mode is on.
    """

    seed: int = 0
    state: tuple[int, int] | None = None
    framework: str | None = None
    cloud: str | None = None
    maintenance_mode: bool | None = None


SETTLED: Final = Traits(state=(StackStatus.DEPLOYED.value, Health.HEALTHY.value), maintenance_mode=False)
"""Traits of a stack that is deployed and works."""


def add(
    world: World,
    name: str,
    *,
    environment: str = "production",
    account: int = 1,
    fields: Mapping[str, object] | None = None,
) -> FakeStack:
    """Add a stack that is deployed and healthy unless `fields` says otherwise."""
    stack = new(world, name, environment, account=account, fields=fields or {})
    world.insert(stack)
    return stack


def new(
    world: World,
    name: str,
    environment: str,
    *,
    account: int = 1,
    fields: Mapping[str, object],
    traits: Traits = SETTLED,
) -> FakeStack:
    """Return a stack that is not part of the world yet.

    Args:
        world: World of the stack.
        name: Name.
        environment: Environment.
        account: Account that it belongs to.
        fields: Fields that differ from those of the sample.
        traits: What the other fields are made from.
    """
    now, number = world.clock.now(), world.tables.new_stack()
    stack = FakeStack(number, sample(number, name, environment, now, traits), now, world.tables)
    stack.data["account_name"] = f"{world.account_name(account)} <{account_owner(account)}>"
    stack.change(fields)
    stack.data["account_id"] = account
    return stack


def seed(world: World, count: int, *, accounts: Sequence[int] = (1,), seed: int = 0) -> Sequence[FakeStack]:
    """Add stacks of all kinds, the same ones for the same seed. Some of them are being deployed.

    The applications are distributed over the accounts: each account gets half as many as the one before it.
    """
    added: list[FakeStack] = []
    weights = [0.5**rank for rank in range(len(accounts))]
    first = world.tables.stack_count
    for number in range(first, first + count):
        owner = Random(f"account:{seed}:{number // _ENVIRONMENTS}")  # noqa: S311  sample data, not a secret
        account = owner.choices(accounts, weights)[0]
        traits = Traits(seed=seed)
        stack = new(world, *_sample_name(number, seed), account=account, fields={}, traits=traits)
        world.insert(stack)
        added.append(stack)
        start_deployment(world, stack)
    return added


def field_names() -> Collection[str]:
    """Return the names of the fields that every stack has."""
    return sample(0, "", "", datetime.now(UTC)).keys()


def start_deployment(world: World, stack: FakeStack) -> None:
    """Start the deployment of a stack whose status says that there is one."""
    queued = stack.data["status"] == StackStatus.QUEUED_FOR_DEPLOYMENT.value
    if queued or stack.data["status"] == StackStatus.DEPLOYING.value:
        seconds = 300 + stack.number % 7 * 60
        world.deploy(stack, user="ada@example.com", via="hook", delay=120 if queued else 0, seconds=seconds)


@handles(api.LIST)
def list_stacks(context: Context) -> Listing[FakeStack]:
    """List the stacks that match all filters. That a filter compares the whole value, ignoring case, is a guess."""
    stacks = context.world.visible(context.accounts)
    for parameter, field in _FILTERS.items():
        value = context.parameters.get(parameter)
        if value is not None:
            wanted = value.casefold()
            stacks = [stack for stack in stacks if str(stack.data[field]).casefold() == wanted]
    return Listing(stacks, lambda stack: with_hook(stack.to_json(context.now), context.request))


@handles(api.GET)
def get_stack(context: Context, stack: str) -> Record:
    """Return one stack, with its latest log if it was requested."""
    found = context.stack(stack)
    data = with_hook(found.data, context.request)
    return {**data, "last_log": _log(found)} if context.parameters.get("show_log") else data


@handles(api.CREATE)
def create_stack(context: Context) -> Record:
    """Start the action that creates a stack."""
    data = context.parameters
    absent = [name for name in ("cloud", "region", "size", "build_type") if not data.get(name)]
    if absent and not data.get("manifest_yaml"):
        raise bad_request(f"Missing parameters: {', '.join(absent)}, or a manifest_yaml")
    fields = {
        "status": StackStatus.ANALYSING.value,
        "health": Health.UNKNOWN.value,
        "framework": "docker",
        "cloud": data.get("cloud") or "no_cloud",
        "cloud_status": "partial",
        "revision": "0",
    }
    name, environment = data["name"], data["environment"]
    stack = add(context.world, name, environment=environment, account=context.accounts[0], fields=fields)
    return context.world.deploy(stack, user=context.user, kind="first_build").action.to_json(context.now)


@handles(api.REDEPLOY)
def redeploy_stack(context: Context, stack: str) -> Record:
    """Start or queue a deployment, and return its action."""
    found, data = context.stack(stack), context.parameters
    reference = data.get("user_reference")
    if reference is not None and len(reference) > _MAX_REFERENCE:
        raise bad_request(f"user_reference is longer than {_MAX_REFERENCE} characters")
    if not 0 <= data.get("canary_percentage", 0) <= 100:
        raise bad_request("canary_percentage must be between 0 and 100")
    queued = found.free_at(context.now) > context.now
    action = context.world.deploy(
        found,
        user=context.user,
        git_ref=data.get("git_ref") or None,
        metadata={} if reference is None else {"user_reference": reference},
    ).action
    message = "Your redeployment is queued behind another one" if queued else "Stack starting redeployment"
    # A queued deployment has no action to poll yet; the documentation only says that the ID may be null.
    return {"ok": True, "message": message, "queued": queued, "async_action_id": None if queued else action.id}


@handles(api.REBOOT_SERVERS)
def reboot_servers(context: Context, stack: str) -> Record:
    """Start the action that reboots the servers of the stack."""
    return context.start_action(stack, "stack_reboot", exclusive=True)


def _log(stack: FakeStack) -> str:
    lines = ("Fetching the code", "Building", f"Deploying {stack.data['git_branch']}", "Deployment finished")
    return "\n".join(f"[{stack.data['updated_at_iso']}] {line}" for line in lines)


# --- sample data ---------------------------------------------------------------------------------

_TOPICS = (
    "billing", "catalog", "checkout", "chat", "courier", "crew", "depot", "fleet", "harbor", "invoice", "ledger",
    "library", "mail", "market", "orders", "payroll", "photos", "pricing", "ratings", "search", "shop", "stock",
    "tickets", "travel",
)  # fmt: skip
_ROLES = ("web", "api", "admin", "worker", "gateway", "site", "portal", "feed", "reports", "hooks")
_FRAMEWORKS = (
    ("ruby", "rails", None), ("ruby", "rails", None), ("ruby", "rack", None), ("ruby", "sinatra", None),
    ("docker", "docker", "kubernetes"), ("docker", "docker", "kubernetes"), ("node", "express", "kubernetes"),
    ("python", "django", "kubernetes"), ("php", "laravel", "kubernetes"), ("static", "hugo", None),
)  # fmt: skip
_GIT_URLS = (
    "git@github.com:acme/{}.git", "https://github.com/acme/{}.git", "git@bitbucket.org:acme/{}.git",
    "git@gitlab.com:acme/{}.git",
)  # fmt: skip
_ENVIRONMENTS = 3  # of each application
# (status, health) with weights: most stacks work well, and some have a problem that a program can look for.
_STATES = {
    "production": (((1, 3), 84), ((1, 2), 7), ((2, 2), 3), ((2, 4), 2), ((6, 1), 2), ((1, 0), 2)),
    "staging": (((1, 3), 68), ((1, 2), 10), ((2, 4), 8), ((6, 1), 4), ((5, 3), 3), ((0, 0), 3), ((1, 0), 4)),
    "": (((1, 3), 58), ((2, 4), 10), ((4, 0), 8), ((3, 0), 4), ((7, 0), 6), ((6, 1), 4), ((1, 2), 10)),
}


def _sample_name(number: int, seed: int) -> tuple[str, str]:
    """Return the name and the environment of the stack with this number. Each application has three environments."""
    application, index = divmod(number, _ENVIRONMENTS)
    series, position = divmod(application, len(_TOPICS) * len(_ROLES))
    # 7 and 240 have no common factor, so every name is used once before one is used again.
    topic, role = divmod((position * 7 + seed * 31) % (len(_TOPICS) * len(_ROLES)), len(_ROLES))
    name = f"{_TOPICS[topic]}-{_ROLES[role]}" + (f"-{series + 1}" if series else "")
    return name, ("production", "staging", ("development", "qa", "review")[application % 3])[index]


def sample(number: int, name: str, environment: str, now: datetime, traits: Traits = SETTLED) -> Record:
    """Return every field of a stack. Stacks that differ in one trait have everything else in common."""
    identity = (traits.seed, number) if traits.seed else (number,)  # seed 0 is the fleet that there always was
    chance = Random(":".join(map(str, ("stack", *identity))))  # noqa: S311  sample data, not a secret
    language, framework, backend = _framework(traits, chance.choice(_FRAMEWORKS))
    cloud = chance.choice(tuple(CLOUDS))
    states = _STATES.get(environment, _STATES[""])
    chosen = chance.choices([pair for pair, _ in states], [weight for _, weight in states])[0]
    status, health = traits.state or chosen
    created = now - timedelta(seconds=chance.randrange(20 * 86_400, 1500 * 86_400))
    updated = now - timedelta(seconds=chance.randrange(600, 19 * 86_400))
    uid = sample_uid("stack", *identity)
    address = f"{name}.{environment}.c66.example.com"
    data: Record = {
        "uid": uid,
        "name": name,
        "account_id": 1,
        "account_name": "Acme <ada@example.com>",
        "git": chance.choice(_GIT_URLS).format(name),
        "git_branch": {"production": "main", "staging": "main"}.get(environment, f"feature/{name.partition('-')[0]}"),
        "environment": environment,
        "cloud": traits.cloud or cloud,
        "fqdn": address,
        "language": language,
        "framework": framework,
        "status": status,
        "health": health,
        "last_activity": updated.isoformat(timespec="seconds"),
        "last_activity_iso": timestamp(updated),
        "maintenance_mode": _maintenance_mode(traits, chance),
        "has_loadbalancer": environment == "production" and chance.random() < 0.6,
        "created_at": legacy_timestamp(created),
        "updated_at": legacy_timestamp(updated),
        "created_at_iso": timestamp(created),
        "updated_at_iso": timestamp(updated),
        "deploy_directory": "/var/deploy/" + name,
        "cloud_status": "deployed" if status in (1, 2, 5, 6) else "partial",
        "redeploy_hook": f"https://hooks.cloud66.example.com/stacks/redeploy/{uid}/{sample_uid('hook', uid)}",
        "application_address": f"https://{address}" if status in (1, 6) else None,
        "considerations": {"warnings": ["Servers are close to full"] if health == 2 else [], "notices": []},
    }
    return data | _sample_runtime(data, backend, chance)


def _framework(traits: Traits, chosen: tuple[str | None, str, str | None]) -> tuple[str | None, str, str | None]:
    """Return the language, the framework and the backend of a stack."""
    if traits.framework is None:
        return chosen
    return next((item for item in _FRAMEWORKS if item[1] == traits.framework), (None, traits.framework, None))


def _maintenance_mode(traits: Traits, chance: Random) -> bool:
    return chance.random() < 0.02 if traits.maintenance_mode is None else traits.maintenance_mode


def _sample_runtime(data: Record, backend: str | None, chance: Random) -> Record:
    """Return the fields of a stack that describe what it runs on."""
    clustered = backend == "kubernetes"
    return {
        "backend": backend,
        "version": "v3" if clustered else "v2",
        "revision": str(chance.randrange(1, 400)),
        "is_busy": False,
        "is_cluster": False,
        "is_inside_cluster": clustered and chance.random() < 0.3,
        "cluster_name": "acme-" + data["cloud"].lower() if clustered else None,
        "configstore_namespace": str(uuid.UUID(sample_uid("configstore", data["uid"]))),
        "namespaces": [f"{data['name']}-{data['environment']}"] if clustered else [],
    }
