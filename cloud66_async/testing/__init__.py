"""For test suites of programs that use the SDK: fixtures over the sandbox, without a network."""
