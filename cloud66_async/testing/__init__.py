"""Pytest fixtures for code that uses the SDK, without network access."""
