"""Plumbing of Postgres: pools, transactions, migrations."""
