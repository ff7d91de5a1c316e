"""Stacks: the applications that Cloud 66 deploys and runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .._core.arguments import check_text
from .._core.model import IsoTimestamp, Model, OpenIntEnum, OpenStrEnum, Timestamp, free_form
from ..operation import get, many, post
from ..pager import Pager
from ..secret import Secret, conceal_as
from . import actions
from ._redeployment import REDEPLOY as REDEPLOY  # noqa: PLC0414  an operation of this resource
from ._resource import Resource
from .actions import Action
from .common import Health
from .deployments import (
    DeployStrategy as DeployStrategy,  # noqa: PLC0414  public under this path, too
    Redeployment as Redeployment,  # noqa: PLC0414
    RolloutStrategy as RolloutStrategy,  # noqa: PLC0414
)

if TYPE_CHECKING:
    from ..bulk import BatchResult
    from ._rollouts.rollout import Rollout

__all__ = [
    "BuildType",
    "ServerGroupName",
    "Stack",
    "StackStatus",
    "Stacks",
]


class StackStatus(OpenIntEnum):
    """State of the latest deployment. For the framework `skycap`, it is the state of the latest build."""

    PENDING_ANALYSIS = 0
    DEPLOYED = 1
    DEPLOYMENT_FAILED = 2
    ANALYSING = 3
    ANALYSED = 4
    QUEUED_FOR_DEPLOYMENT = 5
    DEPLOYING = 6
    CANNOT_BE_ANALYSED = 7


class BuildType(OpenStrEnum):
    """Whether a new stack has one server or more."""

    SINGLE = "single"
    MULTI = "multi"


ServerGroupName = Literal["all", "web", "haproxy", "db", "mysql", "redis", "postgres", "mongodb"]
"""Names of the groups of servers that can be rebooted."""


@attrs.frozen(kw_only=True)
class Stack(Model):
    """One application, as deployed in one environment."""

    uid: str
    name: str | None = None
    account_id: int | None = None  # ID of the account that owns the stack
    account_name: str | None = None  # name and e-mail address of the account's owner
    git: str | None = None  # URL of the Git repository
    git_branch: str | None = None
    environment: str | None = None  # for example `production`
    cloud: str | None = None  # name of the cloud provider
    fqdn: str | None = None  # host name
    language: str | None = None  # for example `ruby`
    framework: str | None = None  # for example `rails` or `docker`
    status: StackStatus | None = None
    health: Health | None = None
    last_activity: Timestamp | None = None  # time of the last action
    last_activity_iso: IsoTimestamp | None = None
    maintenance_mode: bool | None = None  # whether maintenance mode is on
    has_loadbalancer: bool | None = None
    created_at: Timestamp | None = None  # time of creation
    updated_at: Timestamp | None = None  # time of the last change
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None
    deploy_directory: str | None = None  # directory on the servers that the code is deployed to
    cloud_status: str | None = None  # for example `deployed` or `partial`; an open set
    redeploy_hook: Secret | None = None  # URL that redeploys the stack
    backend: str | None = None  # for example `kubernetes`
    version: str | None = None
    revision: str | None = None  # revision number, as a string
    is_busy: bool | None = None  # whether an operation is running
    is_cluster: bool | None = None  # whether the stack is a Kubernetes cluster
    is_inside_cluster: bool | None = None  # whether the stack runs inside a cluster
    cluster_name: str | None = None  # name of the cluster
    application_address: str | None = None  # public address
    configstore_namespace: str | None = None  # UUID of the namespace in the config store
    namespaces: tuple[str, ...] | None = None  # Kubernetes namespaces
    considerations: Mapping[str, Any] | None = free_form()  # lists of warnings and notices
    last_log: str | None = None  # log of the latest deployment, if it was requested


LIST = get(
    "/stacks.json",
    many(Stack),
    scope="public",
    query={
        "filter_name": str | None,
        "filter_environment": str | None,
        "filter_git_repo": str | None,
        "filter_git_branch": str | None,
    },
)
GET = get("/stacks/{stack}.json", Stack, scope="public", query={"show_log": bool | None})
CREATE = post(
    "/stacks.json",
    Action,
    scope="redeploy",
    body={
        "name": str,
        "environment": str,
        "service_yaml": str,
        "manifest_yaml": str | None,
        "cloud": str | None,
        "key_name": str | None,
        "region": str | None,
        "size": str | None,
        "build_type": BuildType | None,
    },
)
REBOOT_SERVERS = post(
    "/stacks/{stack}/reboot_servers.json",
    Action,
    body={"strategy": Literal["parallel", "serial"], "group": ServerGroupName | None},
)
RESTART = actions.RUN.variant(fixed={"command": "restart"})
CLEAR_CACHES = actions.RUN.variant(fixed={"command": "clear_caches"})
MAINTENANCE_MODE = actions.RUN.variant(fixed={"command": "maintenance_mode"}, body={"value": Literal[0, 1]})


class Stacks(Resource):
    """Stacks that the token has access to."""

    def list(
        self,
        *,
        name: str | None = None,
        environment: str | None = None,
        git_repository: str | None = None,
        git_branch: str | None = None,
    ) -> Pager[Stack]:
        """List the stacks, or only those with this name, environment, Git URL and branch.

        The server filters. The filters are known from the official client; the documentation has none.
        """
        return self._pages(
            LIST.bind(
                filter_name=name,
                filter_environment=environment,
                filter_git_repo=git_repository,
                filter_git_branch=git_branch,
            )
        )

    async def get(self, stack: str, *, show_log: bool = False) -> Stack:
        """Return the stack with this uid, with its latest log if `show_log` is set.

        `show_log` is known from a program of Cloud 66; the documentation does not have it.
        """
        return await self._call(GET.bind(stack=stack, show_log=True) if show_log else GET.bind(stack=stack))

    async def get_many(self, stacks: Iterable[str], *, limit: int = 32, batch: bool = True) -> BatchResult[Stack]:
        """Return the stacks with these uids in the same order, sending at most `limit` requests at a time.

        If it takes fewer requests, the stacks are read from the pages of the list instead of one by one; the
        `report` of the result tells. `batch=False` always reads them one by one. Raises BulkError if a request
        fails; the error holds every stack that was read.
        """
        from ._batch import fetch  # imported lazily: takes 1.5 ms, and only bulk calls need it

        return await fetch(
            stacks, self.get, listed=self.list() if batch else None, key=lambda stack: stack.uid, limit=limit
        )

    async def find(self, name: str, *, environment: str | None = None) -> Stack:
        """Return the stack with this name and environment. Case is ignored.

        Raises NotFound if there is none, and AmbiguousName if there is more than one.
        """
        check_text("name", name)
        if environment is not None:
            check_text("environment", environment)
        from ._find import find  # imported lazily: only programs that know no uid need it

        return await find(self.list, name, environment)

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
        """Create a Docker stack from a service definition. Return the action that creates it.

        The API requires either a manifest, or `cloud`, `region`, `size` and `build_type`. It does not say the uid of
        the new stack, so a second request looks for it, and the action has it as `stack` if it is found.

        Args:
            name: Name of the new stack.
            environment: Environment, for example `production`.
            service_yaml: Service definition.
            manifest_yaml: Manifest.
            cloud: Name of the cloud provider.
            key_name: Name of the cloud provider's key in the account.
            region: Region of the cloud provider.
            size: Server size, as the cloud provider names it.
            build_type: Whether the stack has one server or more.
        """
        from . import _started  # imported lazily, as in `redeploy`

        call = CREATE.bind(
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
        return await _started.of_new_stack(await self._call(call), self.list(name=name, environment=environment), name)

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
        """Start a deployment. It is not started twice: if the response is lost, the SDK looks for its action.

        The action is found by its `user_reference`, after 1 and 4 more seconds. The request is sent once more only if
        there is no action. If that remains unknown, or if the client does not retry, the error is raised.

        Args:
            stack: uid of the stack.
            git_ref: Branch, tag or commit to deploy; not for Docker stacks. The default is the latest code.
            services: Names of the services to deploy, each optionally followed by `:tag` to choose an image.
            deployment_profile: Name of a deployment profile.
            user_reference: Reference of up to 255 characters, which the action's metadata will contain. It must be
                one that no other redeployment has; the default is a new one.
            deploy_strategy: Order in which servers are deployed.
            rollout_strategy: How traffic moves to the new version.
            canary_percentage: Share of the traffic that a canary receives.
        """
        from . import _started  # imported lazily: only redeployments need it

        reference = user_reference or _started.new_reference()
        call = REDEPLOY.bind(
            stack=stack,
            git_ref=git_ref,
            services=_started.names(services),
            deployment_profile=deployment_profile,
            user_reference=reference,
            deploy_strategy=deploy_strategy,
            rollout_strategy=rollout_strategy,
            canary_percentage=canary_percentage,
        )

        async def start() -> Redeployment:
            return attrs.evolve(await self._call(call), stack=stack, user_reference=reference)

        return await _started.start_once(self._sender, stack, reference, start)

    def rollout(
        self,
        uids: Iterable[str],
        *,
        at_once: int | Sequence[int] = 10,
        stop_after: int | None = 1,
        timeout: float | None = None,
        path: str | os.PathLike[str] | None = None,
        git_ref: str | None = None,
        services: Iterable[str] | None = None,
        deployment_profile: str | None = None,
        deploy_strategy: DeployStrategy | None = None,
        rollout_strategy: RolloutStrategy | None = None,
        canary_percentage: int | None = None,
    ) -> Rollout:
        """Return a rollout that deploys many stacks, a few at a time. Nothing is sent before it is awaited or entered.

        A stack fails if the API refuses to deploy it, its deployment fails, or the timeout passes. Then the others
        continue. The rollout itself raises Throttled, QuotaError or Unauthenticated after which no request can succeed.

        Args:
            uids: uids of the stacks, in the order in which they are deployed. It costs fewer requests if that is the
                order of `list`.
            at_once: Number of deployments at a time. A list has the sizes of waves, each of which ends before the next
                one starts; the last size is repeated.
            stop_after: Number of failures after which nothing more is started. None means never.
            timeout: Seconds for each deployment after it was accepted. The deployment is not cancelled.
            path: File to write the progress to, so that `resume_rollout` can continue it. It must not exist.
            git_ref: Branch, tag or commit to deploy; not for Docker stacks. The default is the latest code.
            services: Names of the services to deploy, each optionally followed by `:tag` to choose an image.
            deployment_profile: Name of a deployment profile.
            deploy_strategy: Order in which the servers of a stack are deployed.
            rollout_strategy: How the traffic of a stack moves to the new version.
            canary_percentage: Share of the traffic that a canary receives.
        """
        from . import _started  # imported lazily: only rollouts need it
        from ._rollouts.rollout import new_rollout

        options = {
            "git_ref": git_ref,
            "services": _started.names(services),
            "deployment_profile": deployment_profile,
            "deploy_strategy": deploy_strategy,
            "rollout_strategy": rollout_strategy,
            "canary_percentage": canary_percentage,
        }
        return new_rollout(
            self._sender, uids, options, at_once=at_once, stop_after=stop_after, timeout=timeout, path=path
        )

    def resume_rollout(
        self, saved: Mapping[str, Any] | str | os.PathLike[str], *, retry: Iterable[str] = ()
    ) -> Rollout:
        """Return the rest of a rollout that has ended early, from its file or from `Rollout.to_dict`.

        No stack is deployed twice: a search shows whether a request whose fate is unknown was carried out. `retry` are
        the uids of stacks to deploy again although their deployment failed or its end is unknown. Raises ConfigError
        if another process carries it out, or if it belongs to another server, account or token.
        """
        from ._rollouts.rollout import saved_rollout  # imported lazily, as in `rollout`

        return saved_rollout(self._sender, saved, retry)

    async def redeploy_by_hook(
        self,
        hook: str | Secret,
        *,
        services: Iterable[str] | None = None,
        deployment_profile: str | None = None,
    ) -> None:
        """Start a deployment with a redeploy hook, the URL in `Stack.redeploy_hook`. The token is not sent.

        The request is sent once. What the server responds is not documented, so there is no action to wait for.
        """
        from . import _started  # imported lazily, like the next module: few programs use hooks
        from ._hook import call_hook

        hook = conceal_as("hook", hook)
        names = _started.names(services)
        await call_hook(self._sender, hook, services=names, deployment_profile=deployment_profile)

    async def reboot_servers(
        self, stack: str, *, strategy: Literal["parallel", "serial"], group: ServerGroupName | None = None
    ) -> Action:
        """Reboot the servers of the stack. Return the action.

        `strategy` is the order in which web servers reboot. `group` limits the reboot to one group of servers; the
        documentation gives `web` as the default.
        """
        return await self._start(REBOOT_SERVERS, stack, strategy=strategy, group=group)

    async def restart(self, stack: str) -> Action:
        """Restart all parts of the stack. Return the action."""
        return await self._start(RESTART, stack)

    async def clear_caches(self, stack: str) -> Action:
        """Delete the cached code of the stack. Return the action."""
        return await self._start(CLEAR_CACHES, stack)

    async def maintenance_mode(self, stack: str, *, on: bool) -> Action:
        """Turn maintenance mode on or off. Return the action."""
        return await self._start(MAINTENANCE_MODE, stack, value=1 if on else 0)
