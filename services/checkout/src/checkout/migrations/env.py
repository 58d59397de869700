from atlas_kit.storage.migrations import run_environment
from checkout.migrations.tables import metadata

run_environment(metadata)
