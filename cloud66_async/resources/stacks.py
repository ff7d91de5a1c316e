"""Stacks: the applications that Cloud 66 deploys and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .._wire import clean
from ..errors import AmbiguousName, NotFound
from ..model import IsoMoment, Model, Moment, OpenInt, OpenText, Secret, free_form
from ..operation import get, many, post
from ..pager import Pager
from ._base import Resource
from .actions import Action

if TYPE_CHECKING:
    from ._plan import Fetched

__all__ = ["BuildType", "DeployStrategy", "Health", "Redeployment", "RolloutStrategy", "Stack", "StackStatus", "Stacks"]


class StackStatus(OpenInt):
    """How far the newest deployment is. With the framework `skycap` read "build" for "deploy"."""

    PENDING_ANALYSIS = 0
    DEPLOYED = 1
    DEPLOYMENT_FAILED = 2
    ANALYSING = 3
    ANALYSED = 4
    QUEUED_FOR_DEPLOYMENT = 5
    DEPLOYING = 6
    CANNOT_BE_ANALYSED = 7


class Health(OpenInt):
    """How well a stack or a server runs."""

    UNKNOWN = 0
    BUILDING = 1
    IMPAIRED = 2
    HEALTHY = 3
    FAILED = 4


class DeployStrategy(OpenText):
    """In which order servers are deployed (known from the official client and the help site)."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    ROLLING = "rolling"
    FAST = "fast"


class RolloutStrategy(OpenText):
    """How traffic moves to a new version (known from the official client and the help site)."""

    NONE = "none"
    BLUE_GREEN_IMMEDIATE = "blue_green_immediate"
    BLUE_GREEN_DELAYED = "blue_green_delayed"
    CANARY = "canary"


class BuildType(OpenText):
    """Whether a new stack gets one server or several."""

    SINGLE = "single"
    MULTI = "multi"


@attrs.frozen(kw_only=True)
class Stack(Model):
    """One application, as deployed in one environment."""

    uid: str
    name: str | None = None
    account_id: int | None = None
    account_name: str | None = None
    git: str | None = None
    git_branch: str | None = None
    environment: str | None = None
    cloud: str | None = None
    fqdn: str | None = None
    language: str | None = None
    framework: str | None = None
    status: StackStatus | None = None
    health: Health | None = None
    last_activity: Moment | None = None
    last_activity_iso: IsoMoment | None = None
    maintenance_mode: bool | None = None
    has_loadbalancer: bool | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    created_at_iso: IsoMoment | None = None
    updated_at_iso: IsoMoment | None = None
    deploy_directory: str | None = None
    cloud_status: str | None = None
    redeploy_hook: Secret | None = None
    backend: str | None = None
    version: str | None = None
    revision: str | None = None
    is_busy: bool | None = None
    is_cluster: bool | None = None
    is_inside_cluster: bool | None = None
    cluster_name: str | None = None
    application_address: str | None = None
    configstore_namespace: str | None = None
    namespaces: tuple[str, ...] | None = None
    considerations: Mapping[str, Any] | None = free_form()


@attrs.frozen(kw_only=True)
class Redeployment(Model):
    """The answer to a redeployment; `Actions.finish` waits for its end.

    `async_action_id` is the action to poll and may be None; `queued` says that another deployment runs first.
    `stack` is the uid of the stack, filled in here.
    """

    ok: bool | None = None
    message: str | None = None
    queued: bool | None = None
    async_action_id: int | None = None
    stack: str | None = None


LIST = get(
    "/stacks.json",
    many(Stack),
    scope="public",
    query=("filter_name", "filter_environment", "filter_git_repo", "filter_git_branch"),
)
GET = get("/stacks/{stack}.json", Stack, scope="public")
CREATE = post(
    "/stacks.json",
    Action,
    scope="redeploy",
    body=(
        "name",
        "environment",
        "service_yaml",
        "manifest_yaml",
        "cloud",
        "key_name",
        "region",
        "size",
        "build_type",
    ),
)
REDEPLOY = post(
    "/stacks/{stack}/deployments.json",
    Redeployment,
    scope="redeploy",
    body=(
        "git_ref",
        "services",
        "deployment_profile",
        "user_reference",
        "deploy_strategy",
        "rollout_strategy",
        "canary_percentage",
    ),
)


class Stacks(Resource):
    """The stacks that the token can see."""

    __slots__ = ()

    def list(
        self,
        *,
        name: str | None = None,
        environment: str | None = None,
        git_repository: str | None = None,
        git_branch: str | None = None,
    ) -> Pager[Stack]:
        """Every stack, or those with this name, environment, git URL and branch.

        The server filters (the filters are known from the official client, the documentation has none).
        """
        return self._pages(
            LIST.at(
                filter_name=name,
                filter_environment=environment,
                filter_git_repo=git_repository,
                filter_git_branch=git_branch,
            )
        )

    async def get(self, stack: str) -> Stack:
        """The stack with this uid."""
        return await self._call(GET.at(stack=stack))

    async def get_many(self, stacks: Iterable[str], *, limit: int = 32, planned: bool = True) -> Fetched[Stack]:
        """The stacks with these uids, in this order, read `limit` at a time.

        Takes them from the pages of the list where that needs fewer requests, and says so in the `report` of
        what comes back; `planned=False` reads each by itself. Raises BulkError if one fails; it holds
        all that arrived.
        """
        from ._plan import fetch  # 1.5 ms with what it brings, and not every program works in bulk

        return await fetch(
            stacks, self.get, listed=self.list() if planned else None, key=lambda stack: stack.uid, limit=limit
        )

    async def find(self, name: str, *, environment: str | None = None) -> Stack:
        """The one stack with this name, whatever its case, and in this environment.

        Raises NotFound if there is none and AmbiguousName if there are several.
        """
        wanted, where = name.casefold(), None if environment is None else environment.casefold()
        found = [
            stack
            async for stack in self.list()
            if (stack.name or "").casefold() == wanted
            and (where is None or (stack.environment or "").casefold() == where)
        ]
        if len(found) == 1:
            return found[0]
        place = "" if environment is None else f" in {environment!r}"
        if not found:
            raise NotFound(f"no stack is called {name!r}{place}", status=404, operation=str(LIST))
        kinds = clean(", ".join(sorted(f"{stack.environment} ({stack.uid})" for stack in found)))
        raise AmbiguousName(
            f"{len(found)} stacks are called {name!r}{place}: {kinds}; name the environment or take the uid",
            matches=tuple(found),
        )

    async def create(
        self,
        name: str,
        *,
        environment: str,
        service_yaml: str,
        manifest_yaml: str | None = None,
        cloud: str | None = None,
        key_name: str | None = None,
        region: str | None = None,
        size: str | None = None,
        build_type: BuildType | None = None,
    ) -> Action:
        """Start the making of a Docker stack from a service definition; the action that does it comes back.

        The API wants a manifest, or `cloud`, `region`, `size` and `build_type`.
        """
        return await self._call(
            CREATE.at(
                name=name,
                environment=environment,
                service_yaml=service_yaml,
                manifest_yaml=manifest_yaml,
                cloud=cloud,
                key_name=key_name,
                region=region,
                size=size,
                build_type=build_type,
            )
        )

    async def redeploy(
        self,
        stack: str,
        *,
        git_ref: str | None = None,
        services: Iterable[str] | None = None,
        deployment_profile: str | None = None,
        user_reference: str | None = None,
        deploy_strategy: DeployStrategy | None = None,
        rollout_strategy: RolloutStrategy | None = None,
        canary_percentage: int | None = None,
    ) -> Redeployment:
        """Start a deployment of the newest code, or of `git_ref` (a branch, tag or hash; not for Docker).

        `services` are names, each with `:tag` for a certain image. `user_reference` (up to 255 characters)
        comes back in the action's metadata. Never repeated once it may have arrived.
        """
        started = await self._call(
            REDEPLOY.at(
                stack=stack,
                git_ref=git_ref,
                services=_names(services),
                deployment_profile=deployment_profile,
                user_reference=user_reference,
                deploy_strategy=deploy_strategy,
                rollout_strategy=rollout_strategy,
                canary_percentage=canary_percentage,
            )
        )
        return attrs.evolve(started, stack=stack)


def _names(services: Iterable[str] | None) -> tuple[str, ...] | None:
    """A list for the API, also of the comma separated text that its documentation shows."""
    if services is None:
        return None
    if isinstance(services, str):
        services = services.split(",")
    return tuple(name for service in services if (name := service.strip()))
