"""Which version of the fold this code is."""

FOLD_VERSION = 3
"""Raised by one when the fold makes something else of the same facts than before, because it reads a kind of snapshot,
a field, a schema version or a rule of the policy that it did not read so far. Each row of the ledger has the version
that folded it (column ``read_by``), so that newer code finds what older replicas folded with less understanding
(docs/decisions/0010)."""
