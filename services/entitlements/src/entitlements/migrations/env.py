"""Alembic's entry: see ``atlas_kit.storage.migrations``."""

from atlas_kit.storage.migrations import run_environment
from entitlements.migrations.tables import metadata

run_environment(metadata)
