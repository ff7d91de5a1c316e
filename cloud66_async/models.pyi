from .resources.actions import Action as Action
from .resources.backup_files import BackupFile as BackupFile, BackupFileUrl as BackupFileUrl
from .resources.backups import (
    Backup as Backup,
    BackupStatus as BackupStatus,
    RestoreStatus as RestoreStatus,
    VerifyStatus as VerifyStatus,
)
from .resources.common import CodeMeaning as CodeMeaning, Health as Health, Outcome as Outcome
from .resources.deployments import Deployment as Deployment
from .resources.environment_variables import (
    EnvironmentVariable as EnvironmentVariable,
    EnvironmentVariableFile as EnvironmentVariableFile,
    EnvironmentVariableHistory as EnvironmentVariableHistory,
)
from .resources.jobs import Job as Job, JobStatus as JobStatus
from .resources.ping import Identity as Identity
from .resources.servers import Server as Server
from .resources.stacks import (
    BuildType as BuildType,
    DeployStrategy as DeployStrategy,
    Redeployment as Redeployment,
    RolloutStrategy as RolloutStrategy,
    Stack as Stack,
    StackStatus as StackStatus,
)
