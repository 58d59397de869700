"""Which reading of the facts this code is."""

READING = 2
"""Raised by one when the fold makes something else of the same facts than before: a kind of snapshot, a field of one, a
schema version or a rule of the policy that was not read so far. Each row of the ledger says by which reading it was
folded, so that a newer one finds what older replicas have read with less understanding (docs/decisions/0010)."""
