from atlas_kit.migrations import run_environment
from checkout.tables import metadata

run_environment(metadata)
