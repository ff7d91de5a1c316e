"""Waiting for actions: one watcher for each token and account of a client."""
