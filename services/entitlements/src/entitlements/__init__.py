"""Decides who is Pro: an append-only ledger of payment facts, and a projection computed from that ledger alone."""
