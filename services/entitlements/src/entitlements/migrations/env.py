"""Alembic's entry: see ``atlas_kit.migrations``."""

from atlas_kit.migrations import run_environment
from entitlements.tables import metadata

run_environment(metadata)
