"""The terminal: streams, tables, prompts, and how values look on it."""
