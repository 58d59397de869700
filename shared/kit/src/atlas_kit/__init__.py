"""Plumbing that every Atlas billing service shares."""
