"""Mechanisms of the SDK. Nothing here is part of the public interface."""
