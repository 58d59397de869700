"""The truth: an append-only ledger of facts and a projection that is a pure fold of it."""
