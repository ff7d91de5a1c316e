from .resources.accounts import (
    Account as Account,
    OneTimePassword as OneTimePassword,
    UnmanagedServer as UnmanagedServer,
)
from .resources.actions import Action as Action
from .resources.application_variants import ApplicationVariant as ApplicationVariant
from .resources.backup_files import BackupFile as BackupFile, BackupFileUrl as BackupFileUrl
from .resources.backups import (
    Backup as Backup,
    BackupStatus as BackupStatus,
    RestoreStatus as RestoreStatus,
    VerifyStatus as VerifyStatus,
)
from .resources.base_templates import (
    BaseTemplate as BaseTemplate,
    BaseTemplateStatus as BaseTemplateStatus,
    StencilTemplate as StencilTemplate,
)
from .resources.clouds import Cloud as Cloud, CloudRegion as CloudRegion, CloudServerSize as CloudServerSize
from .resources.clusters import Cluster as Cluster, ClusterNode as ClusterNode
from .resources.common import CodeMeaning as CodeMeaning, Health as Health, Outcome as Outcome
from .resources.config_store_records import ConfigStoreRecord as ConfigStoreRecord
from .resources.configurations import Configuration as Configuration
from .resources.containers import (
    Container as Container,
    ContainerHealth as ContainerHealth,
    ContainerPort as ContainerPort,
)
from .resources.database_users import DatabaseUser as DatabaseUser
from .resources.databases import Database as Database
from .resources.deployments import Deployment as Deployment
from .resources.devices import Device as Device, DeviceSubType as DeviceSubType, DeviceType as DeviceType
from .resources.dns_providers import DnsProvider as DnsProvider
from .resources.environment_variables import (
    EnvironmentVariable as EnvironmentVariable,
    EnvironmentVariableFile as EnvironmentVariableFile,
    EnvironmentVariableHistory as EnvironmentVariableHistory,
)
from .resources.failover_groups import FailoverGroup as FailoverGroup, FailoverStack as FailoverStack
from .resources.firewall_rules import FirewallProtocol as FirewallProtocol, FirewallRule as FirewallRule
from .resources.formations import (
    Formation as Formation,
    FormationFilter as FormationFilter,
    WorkflowWrapper as WorkflowWrapper,
)
from .resources.gateways import Gateway as Gateway
from .resources.helm_releases import HelmRelease as HelmRelease
from .resources.image_repositories import ImageRepository as ImageRepository
from .resources.jobs import Job as Job, JobStatus as JobStatus
from .resources.notifications import (
    Notification as Notification,
    NotificationChannel as NotificationChannel,
    NotificationFailure as NotificationFailure,
    NotificationFailures as NotificationFailures,
    NotificationNames as NotificationNames,
    NotificationSubscription as NotificationSubscription,
    NotificationUpdateResult as NotificationUpdateResult,
)
from .resources.onprems import Onprem as Onprem
from .resources.operation_logs import LogSeverity as LogSeverity, OperationLogEntry as OperationLogEntry
from .resources.ping import Identity as Identity
from .resources.policies import Policy as Policy
from .resources.processes import Process as Process
from .resources.queues import AgentRegistration as AgentRegistration, Queue as Queue
from .resources.registry_credentials import RegistryCredential as RegistryCredential
from .resources.server_groups import ServerGroup as ServerGroup
from .resources.servers import Server as Server
from .resources.service_yamls import YamlVersion as YamlVersion
from .resources.services import Service as Service
from .resources.sessions import Session as Session
from .resources.snapshots import (
    RenderIssue as RenderIssue,
    Renders as Renders,
    Snapshot as Snapshot,
    StencilRender as StencilRender,
)
from .resources.ssh_keys import AccessPublicKey as AccessPublicKey
from .resources.ssl_certificates import SslCertificate as SslCertificate, SslCertificateStatus as SslCertificateStatus
from .resources.stack_settings import Setting as Setting
from .resources.stacks import (
    BuildType as BuildType,
    DeployStrategy as DeployStrategy,
    Redeployment as Redeployment,
    RolloutStrategy as RolloutStrategy,
    Stack as Stack,
    StackStatus as StackStatus,
)
from .resources.stencils import Stencil as Stencil
from .resources.tags import EntityTag as EntityTag, EntityTags as EntityTags
from .resources.transformations import Transformation as Transformation
from .resources.users import (
    AccessProfile as AccessProfile,
    AccessRule as AccessRule,
    AccountProfile as AccountProfile,
    StackProfile as StackProfile,
    User as User,
    UserAccount as UserAccount,
)
from .resources.workflows import Workflow as Workflow
