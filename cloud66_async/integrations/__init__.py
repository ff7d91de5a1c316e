"""Integrations with other libraries. Each requires the extra of its name."""
