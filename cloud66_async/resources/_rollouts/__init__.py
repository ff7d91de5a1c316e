"""Rollouts: many redeployments, a few at a time, which can be continued after a crash."""
