"""An operator's word: whether it would change anything, how it is published, and when it has taken effect.

The command line and the support desk both do it by this; each says in its own way what came of it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE, AdjustmentRequest
from atlas_operator import revoking
from atlas_operator.client import Operator
from atlas_operator.lookup import owner

APPLIED_SECONDS = 20.0
POLL_SECONDS = 0.1


class ChangesNothing(Exception):
    """What was asked for would change nothing, and nothing was changed; ``remedy`` says what is the case instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class AppliedAdjustment:
    """What came of it. ``appended``: false where the same was recorded before; ``told``: the explanation with it."""

    appended: bool
    told: dict[str, Any] | None
    """None where it was not applied in time."""


def explained_to(operator: Operator, user: str) -> dict[str, Any]:
    """What `explain` knows about a user."""
    told: dict[str, Any] = operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user)
    return told


def refuse_what_changes_nothing(operator: Operator, request: AdjustmentRequest) -> None:
    """Raises ChangesNothing for a revoke (or its undoing) of what is not there; a repetition is no such thing."""
    if request.action == "grant":
        return
    told = explained_to(operator, request.user_id)
    if revoking.said_before(told, request.idempotency_key):
        return
    user, payment = request.user_id, request.payment_id
    if payment is None:
        if not revoking.granted_by_operator(told):
            raise ChangesNothing(f"No operator's grant makes {user} Pro; nothing was changed.", revoking.through(told))
        return
    found = owner(operator, payment, may_be_stripes=True)
    if user not in found.users:
        theirs = (
            f"It is a payment of {' and '.join(found.users)}." if found.users else "It is unknown, here and at Stripe."
        )
        raise ChangesNothing(f"{payment} is no payment of {user}; nothing was changed.", theirs)
    revoked = revoking.is_revoked(told, {payment, *found.payments})
    if request.action == "undo_revoke_payment" and not revoked:
        raise ChangesNothing(f"{payment} was not revoked by an operator; nothing was changed.", revoking.through(told))
    if request.action == "revoke_payment" and revoked:
        raise ChangesNothing(
            f"{payment} was revoked by an operator before; nothing was changed.", revoking.through(told)
        )


def adjust(operator: Operator, request: AdjustmentRequest, seconds: float = APPLIED_SECONDS) -> AppliedAdjustment:
    """Publish it, and wait until it has taken effect. Raises CallFailed; the same request again is safe then."""
    done = operator.post(
        INGEST_SERVICE, "/operator/adjustments", json.loads(request.model_dump_json(by_alias=True, exclude_none=True))
    )
    told = _once_applied(operator, request.user_id, str(done.get("eventId")), seconds)
    return AppliedAdjustment(bool(done.get("appended", True)), told)


def _once_applied(operator: Operator, user: str, event_id: str, seconds: float) -> dict[str, Any] | None:
    """The explanation in which the event is; None when it is not applied in time."""
    deadline = time.monotonic() + seconds
    while True:
        told = explained_to(operator, user)
        if revoking.knows(told, event_id):
            return told
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)
