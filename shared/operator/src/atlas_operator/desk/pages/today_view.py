"""What the Today page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from atlas_operator import sentences
from atlas_operator.desk.pages.buyer_view import waiting_revoke
from atlas_operator.desk.person import Visit
from atlas_operator.desk.ports import Today

STRIPE_ID = re.compile(r"\b(pi|cs|ch|py)_\w+", re.ASCII)
MINUTE, HOUR, DAY = 60, 3600, 86_400


def today_view(today: Today, visit: Visit) -> dict[str, Any]:
    """The values of ``today.html``."""
    return {
        "today": today,
        "waiting": [waiting_revoke(row, visit) for row in today.waiting_revokes],
        "refused": [{**row, "because": sentences.because(row.get("reason")), "id": _id(row)} for row in today.refused],
        "second": [{**row, "id": _id(row)} for row in today.second_payments],
        "warnings": [{**row, "payment": _id(row)} for row in today.fraud_warnings],
        "findings": [{**row, "about": _about(str(row.get("what") or ""))} for row in today.findings],
        "pull": _pull(today.pull),
        "quiet": not any((
            today.parked, today.refused, today.second_payments, today.fraud_warnings, today.waiting_revokes,
            today.findings, today.unread,
        )),
    }  # fmt: skip


def ago(seconds: float) -> str:
    """``12 s ago``, ``5 min ago``, ``3 h ago``, ``2 d ago``."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds)} s ago"


def _id(row: Mapping[str, Any]) -> str:
    return next((str(row[key]) for key in ("paymentIntentId", "checkoutSessionId", "chargeId") if row.get(key)), "")


def _about(finding: str) -> str:
    """The id of Stripe's that a finding names, by which its buyer is found; empty for a finding about nobody."""
    named = STRIPE_ID.search(finding)
    return named[0] if named else ""


def _pull(pull: Mapping[str, Any]) -> dict[str, str]:
    age, failed = pull.get("ageSeconds"), pull.get("failed")
    return {
        "when": "never" if age is None else ago(float(age)),
        "failed": str(failed.get("message") or failed.get("reason") or "") if isinstance(failed, Mapping) else "",
    }
