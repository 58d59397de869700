"""Plumbing of the broker: connection, events, group commit, outbox, listening."""
