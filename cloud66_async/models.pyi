from .resources.actions import Action as Action
from .resources.common import CodeMeaning as CodeMeaning, Health as Health, Outcome as Outcome
from .resources.deployments import Deployment as Deployment
from .resources.servers import Server as Server
from .resources.stacks import (
    BuildType as BuildType,
    DeployStrategy as DeployStrategy,
    Redeployment as Redeployment,
    RolloutStrategy as RolloutStrategy,
    Stack as Stack,
    StackStatus as StackStatus,
)
