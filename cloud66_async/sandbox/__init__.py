"""A Cloud 66 of your own that behaves: for tests, for examples, for a look around.

`FakeCloud66` is all of it in one object, without a network. `SandboxServer` puts it on a port of this
machine and needs the extra `sandbox`.
"""

from .access import Application, Grant, User
from .browser import consent
from .clock import FakeClock
from .fake import FakeCloud66, Seen
from .faults import Faults
from .message import Incoming, Reply
from .profile import STRICT, TOLERANT, Profile
from .server import SandboxServer
from .stack import FakeStack
from .work import FakeAction, FakeDeployment

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
    "Incoming",
    "Profile",
    "Reply",
    "SandboxServer",
    "Seen",
    "User",
    "consent",
]
