"""The resources of the API, one module each: its models, its operations, and a class with one method per operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..operation import Operation

if TYPE_CHECKING:
    from .._core.sender import Sender
    from .accounts import Accounts
    from .actions import Actions
    from .application_groups import ApplicationGroups
    from .application_variants import ApplicationVariants
    from .backup_files import BackupFiles
    from .backups import Backups
    from .base_templates import BaseTemplates
    from .clouds import Clouds
    from .clusters import Clusters
    from .config_store_records import ConfigStoreRecords
    from .configurations import Configurations
    from .containers import Containers
    from .database_users import DatabaseUsers
    from .databases import Databases
    from .deployments import Deployments
    from .devices import Devices
    from .dns_providers import DnsProviders
    from .environment_variables import EnvironmentVariables
    from .failover_groups import FailoverGroups
    from .firewall_rules import FirewallRules
    from .formations import Formations
    from .gateways import Gateways
    from .helm_releases import HelmReleases
    from .image_repositories import ImageRepositories
    from .jobs import Jobs
    from .jwts import Jwts
    from .manifest_yamls import ManifestYamls
    from .notifications import Notifications
    from .onprems import Onprems
    from .operation_logs import OperationLogs
    from .ping import Ping
    from .policies import Policies
    from .processes import Processes
    from .queues import Queues
    from .registry_credentials import RegistryCredentials
    from .server_groups import ServerGroups
    from .server_settings import ServerSettings
    from .servers import Servers
    from .service_yamls import ServiceYamls
    from .services import Services
    from .sessions import Sessions
    from .snapshots import Snapshots
    from .ssh_keys import SshKeys
    from .ssl_certificates import SslCertificates
    from .stack_settings import StackSettings
    from .stacks import Stacks
    from .stencils import Stencils
    from .tags import Tags
    from .transformations import Transformations
    from .users import Users
    from .workflows import Workflows

__all__ = ["Resources", "modules", "operations"]


class _Lazy:
    """A resource that is imported and created on first use: most programs need few of them."""

    def __init__(self, class_name: str) -> None:
        self._class_name = class_name
        self._kind: Callable[[Sender], Any] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        kind = self._kind
        if kind is None:
            kind = self._kind = getattr(import_module(f".{self._name}", __package__), self._class_name)
        resource = client.__dict__[self._name] = kind(client._sender)  # noqa: SLF001  the client's own resource
        return resource


def _lazy(class_name: str) -> Any:
    """Return the resource of this class, from the module with the attribute's name."""
    return _Lazy(class_name)


class Resources:
    """Every resource of the API, as attributes."""

    _sender: Sender

    accounts: Accounts = _lazy("Accounts")
    """Accounts that the user belongs to."""
    actions: Actions = _lazy("Actions")
    """Actions of a stack."""
    application_groups: ApplicationGroups = _lazy("ApplicationGroups")
    """Groups of stacks that share settings."""
    application_variants: ApplicationVariants = _lazy("ApplicationVariants")
    """Variants of an application."""
    backup_files: BackupFiles = _lazy("BackupFiles")
    """Files of a backup."""
    backups: Backups = _lazy("Backups")
    """Managed backups of a stack."""
    base_templates: BaseTemplates = _lazy("BaseTemplates")
    """Base templates of the account, known from the official client."""
    clouds: Clouds = _lazy("Clouds")
    """Cloud providers that the account can use."""
    clusters: Clusters = _lazy("Clusters")
    """Kubernetes clusters that the token has access to."""
    config_store_records: ConfigStoreRecords = _lazy("ConfigStoreRecords")
    """Records of a namespace in the config store (known from the official client)."""
    configurations: Configurations = _lazy("Configurations")
    """Configuration files of a stack (known from the official client). They are identified by their type."""
    containers: Containers = _lazy("Containers")
    """Containers of a stack that runs in Docker or Kubernetes."""
    database_users: DatabaseUsers = _lazy("DatabaseUsers")
    """Database users of a server group."""
    databases: Databases = _lazy("Databases")
    """Databases of a server group."""
    deployments: Deployments = _lazy("Deployments")
    """Deployments of a stack."""
    devices: Devices = _lazy("Devices")
    """Mobile devices of a user. The push token of a device identifies it."""
    dns_providers: DnsProviders = _lazy("DnsProviders")
    """DNS providers of the account, which wildcard certificates require."""
    environment_variables: EnvironmentVariables = _lazy("EnvironmentVariables")
    """Environment variables of a stack. They are read by ID, but changed and deleted by key."""
    failover_groups: FailoverGroups = _lazy("FailoverGroups")
    """Failover groups of the account."""
    firewall_rules: FirewallRules = _lazy("FirewallRules")
    """Firewall rules of a stack."""
    formations: Formations = _lazy("Formations")
    """Formations of a stack (known from the official client)."""
    gateways: Gateways = _lazy("Gateways")
    """Gateways of an account. `content` is the private key that Cloud 66 uses while a gateway is open."""
    helm_releases: HelmReleases = _lazy("HelmReleases")
    """Helm releases of a formation (known from the official client)."""
    image_repositories: ImageRepositories = _lazy("ImageRepositories")
    """Docker image repositories of the account."""
    jobs: Jobs = _lazy("Jobs")
    """Jobs of a stack."""
    jwts: Jwts = _lazy("Jwts")
    """JSON web tokens (JWTs) for other services of Cloud 66."""
    manifest_yamls: ManifestYamls = _lazy("ManifestYamls")
    """Versions of a stack's manifest.yml (known from the official client)."""
    notifications: Notifications = _lazy("Notifications")
    """Notification settings of a stack."""
    onprems: Onprems = _lazy("Onprems")
    """On-premises configurations, known from the official client."""
    operation_logs: OperationLogs = _lazy("OperationLogs")
    """Logs of operations in the background."""
    ping: Ping = _lazy("Ping")
    """Checks of the connection and of the token."""
    policies: Policies = _lazy("Policies")
    """Policies of a formation (known from the official client)."""
    processes: Processes = _lazy("Processes")
    """Processes of a stack that runs without containers."""
    queues: Queues = _lazy("Queues")
    """Queues of tasks, known from the official client."""
    registry_credentials: RegistryCredentials = _lazy("RegistryCredentials")
    """The user's login at the container registry of Cloud 66."""
    server_groups: ServerGroups = _lazy("ServerGroups")
    """Server groups of a stack."""
    server_settings: ServerSettings = _lazy("ServerSettings")
    """Settings of a server. Methods take a key with dots, or an ID with dashes instead of the dots."""
    servers: Servers = _lazy("Servers")
    """Servers of a stack."""
    service_yamls: ServiceYamls = _lazy("ServiceYamls")
    """Versions of a stack's service.yml (known from the official client)."""
    services: Services = _lazy("Services")
    """Services of a stack that runs in Docker or Kubernetes."""
    sessions: Sessions = _lazy("Sessions")
    """Sessions of a stack that runs in Docker or Kubernetes."""
    snapshots: Snapshots = _lazy("Snapshots")
    """Snapshots of a stack (known from the official client)."""
    ssh_keys: SshKeys = _lazy("SshKeys")
    """The user's SSH key for access to servers (known from the official client)."""
    ssl_certificates: SslCertificates = _lazy("SslCertificates")
    """SSL certificates of a stack."""
    stack_settings: StackSettings = _lazy("StackSettings")
    """Settings of a stack. Methods take a key with dots, or an ID with dashes instead of the dots."""
    stacks: Stacks = _lazy("Stacks")
    """Stacks that the token has access to."""
    stencils: Stencils = _lazy("Stencils")
    """Stencils of a formation (known from the official client)."""
    tags: Tags = _lazy("Tags")
    """Tags of any entity."""
    transformations: Transformations = _lazy("Transformations")
    """Transformations of a formation (known from the official client)."""
    users: Users = _lazy("Users")
    """Users of the account."""
    workflows: Workflows = _lazy("Workflows")
    """Workflows of a formation (known from the official client)."""


def modules() -> Iterator[str]:
    """Yield the name of every resource's module, in alphabetical order."""
    from pkgutil import iter_modules  # imported lazily: takes 2 ms, and calls do not need it

    for module in iter_modules(__path__):
        if not module.name.startswith("_") and module.name != "common":
            yield module.name


def operations(*, variants: bool = False) -> Iterator[tuple[str, Operation[Any]]]:
    """Yield every operation of the API with its name, for example `stacks.get`, by resource and in source order.

    With `variants`, also yield the variants of operations, such as `stacks.restart`.
    """
    for module in modules():
        for name, value in vars(import_module(f".{module}", __package__)).items():
            if isinstance(value, Operation) and (variants or value.base is None):
                yield f"{module}.{name.lower()}", value  # pyright: ignore[reportUnknownVariableType]
