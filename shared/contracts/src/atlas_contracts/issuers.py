"""Who signs internal tokens beside the services. Without pydantic: the local stack and its commands need only names."""

from __future__ import annotations

OPERATOR = "operator"
"""Issuer (and subject) of the command line's tokens."""
APP = "atlas-web"
"""Issuer of the web app's tokens: it may have the account of one of its users forgotten, and nothing else."""
