"""What several processes share through Redis. Requires the extra `redis`."""
