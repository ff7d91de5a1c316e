"""Fault injection: what goes wrong in the sandbox, when and how often."""

from .fault import ActionFault, ConnectionDropped, Fault, Scene, throttled
from .faults import Faults

__all__ = ["ActionFault", "ConnectionDropped", "Fault", "Faults", "Scene", "throttled"]
