"""Whether the sandbox of the local stack keeps webhooks back, for status and doctor: the switch survives restarts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

SECONDS = 1.0
"""Time limit; the sandbox runs on this machine, and a person waits."""
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def delivery_of(sandbox_url: str | None) -> Mapping[str, Any] | None:
    """How the sandbox delivers webhooks: ``mode`` and ``held``; None where it doesn't answer."""
    if not sandbox_url:
        return None
    try:
        with NO_PROXY.open(f"{sandbox_url}/_sandbox/delivery", timeout=SECONDS) as answer:
            shown = json.load(answer)
        return {"mode": str(shown["mode"]), "held": int(shown["counts"]["held"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def held_back(delivery: Mapping[str, Any] | None) -> str | None:
    """A sentence where webhooks don't arrive because of a switch in the control room; None where they do."""
    if delivery is None or delivery["mode"] == "normal":
        return None
    if delivery["mode"] == "drop":
        return "The sandbox drops every webhook"
    waiting = {0: "none waits", 1: "1 waits"}.get(delivery["held"], f"{delivery['held']} wait")
    return f"The sandbox holds webhooks back: {waiting}"
