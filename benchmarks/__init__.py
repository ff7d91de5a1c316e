"""Cost of the SDK compared with other clients: `python -m benchmarks`."""
