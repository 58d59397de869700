"""The broker: connection, events, group commit, outbox, listening."""
