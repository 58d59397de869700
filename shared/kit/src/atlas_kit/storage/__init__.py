"""Postgres: pools, transactions, migrations."""
