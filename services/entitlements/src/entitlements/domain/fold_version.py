"""The version of the fold (the computation of the projection from the ledger) that this code contains."""

FOLD_VERSION = 3
"""Raise it by one when the same facts give a different result than before, because the code now reads a kind of
snapshot, a field, a schema version or a rule of the policy that it ignored so far. Each row of the ledger stores the
version that folded it (column ``read_by``), so that newer code finds what older replicas folded without knowing it all
(docs/decisions/0010)."""
