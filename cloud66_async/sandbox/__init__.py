"""A Cloud 66 of your own that behaves: for tests, for examples, for a look around.

`FakeCloud66` is all of it in one object, without a network. `SandboxServer` puts it on a port of this
machine and needs the extra `sandbox`.
"""

from .actions import FakeAction, FakeDeployment
from .clock import FakeClock
from .fake import FakeCloud66, RecordedRequest
from .faults import Faults
from .message import Reply, Request
from .oauth.access import Application, Grant, User
from .oauth.browser import consent
from .oauth.settings import STRICT, TOLERANT, Profile
from .serving.server import SandboxServer
from .stack import FakeStack

__all__ = [
    "STRICT",
    "TOLERANT",
    "Application",
    "FakeAction",
    "FakeClock",
    "FakeCloud66",
    "FakeDeployment",
    "FakeStack",
    "Faults",
    "Grant",
    "Profile",
    "RecordedRequest",
    "Reply",
    "Request",
    "SandboxServer",
    "User",
    "consent",
]
