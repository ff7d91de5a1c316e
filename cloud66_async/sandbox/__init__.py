"""A simulated Cloud 66 for tests, examples and experiments.

`FakeCloud66` is all of it in one object and needs no network. `SandboxServer` serves it on a local port and needs the
extra `sandbox`.
"""

from .actions import FakeAction, FakeDeployment
from .clock import ClockFrozen, FakeClock
from .fake import FakeCloud66
from .faults import Faults
from .kinds import RecordKind
from .message import Reply, Request
from .oauth.access import Application, Grant, User
from .oauth.browser import consent
from .oauth.settings import STRICT, TOLERANT, ProviderSettings
from .recorder import RecordedRequest
from .serving.server import SandboxServer
from .stack import FakeStack
from .table import Table
from .world import Snapshot

__all__ = [
    "STRICT",
    "TOLERANT",
    "Application",
    "ClockFrozen",
    "FakeAction",
    "FakeClock",
    "FakeCloud66",
    "FakeDeployment",
    "FakeStack",
    "Faults",
    "Grant",
    "ProviderSettings",
    "RecordKind",
    "RecordedRequest",
    "Reply",
    "Request",
    "SandboxServer",
    "Snapshot",
    "Table",
    "User",
    "consent",
]
