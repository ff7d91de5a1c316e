"""What the SDK costs, measured beside its peers: `python -m benchmarks`."""
