"""Faults made on purpose: connections that misbehave, processes that die at a chosen line, and who notices."""
