"""What users call things: stacks, servers and keys by name, by uid, or by their beginning."""
