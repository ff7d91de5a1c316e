"""Fixtures for test suites of programs that use the SDK, without a network."""
