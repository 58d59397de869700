"""The support desk's pages over buyers of our choice, for what a stack shows rarely or slowly, and for pictures of it all.

The proxy's headers say who comes: VIEWER, AGENT, APPROVER or OTHER_APPROVER. A buyer's id names one of STATES.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from atlas_operator import sentences
from atlas_operator.desk.app import build
from atlas_operator.desk.person import StaffMember
from atlas_operator.desk.ports import ActionForm, ActionOutcome, ActionRefused, FoundBuyers, Today
from atlas_operator.desk.settings import DeskSettings

SECRET = "a secret of the proxy"
VIEWER, AGENT, APPROVER, OTHER_APPROVER = "viewer@example.com", "agent@example.com", "approver.of.the.desk@example.com", "other@example.com"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
RIGHT_TO_LEFT = "ada\u202egnp.exe"  # shown as it is, it would turn round what follows
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DAY = 86_400
PI = "pi_3KvpTPEVtSfDq6j7Xb9qfcZT"


def fact(seconds: float, kind: str, effect: str = "recorded, changes nothing", **more: Any) -> dict[str, Any]:
    at = (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    amount = None if kind.startswith(("restore", "fraud", "entitlement")) else {"amount": 4900, "of": None, "currency": "usd"}
    return {
        "eventId": f"stripe:evt_{int(seconds)}:{kind}", "type": kind, "occurredAt": at, "receivedAt": at,
        "via": "webhook", "effect": effect, "amount": amount, "requestId": None, **more,
    }  # fmt: skip


def payment(because: str, facts: list[dict[str, Any]], name: str = PI, **more: Any) -> dict[str, Any]:
    return {"id": name, "grants": because == "paid", "because": because, "needsReview": False, "facts": facts, **more}


def told(user: str, status: str, payments: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    since = payments[0]["facts"][-1]["occurredAt"] if payments and status != "none" else None
    verdict = {
        "isPro": status == "active", "status": status, "source": "stripe" if since else None, "activeFrom": since,
        "activeUntil": None, "version": 3,
    }  # fmt: skip
    empty = ("adjustments", "rejected", "pending", "warnings", "wouldChange", "requests", "parked", "restores", "requestIds", "waitingRevokes", "unread")
    all_of_it = {"userId": user, "verdict": verdict, "payments": payments, "grantedByOperator": False, "known": bool(payments), **{name: [] for name in empty}, **more}
    return {**all_of_it, "sentence": sentences.verdict(all_of_it)}


def bought(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [fact(0, "purchase_initiated", "session recorded"), fact(40, "purchase_succeeded", "grants"), *more]


def _hostile() -> dict[str, Any]:
    rows = bought(fact(9 * DAY, HOSTILE, HOSTILE, via=HOSTILE, eventId=HOSTILE, requestId=HOSTILE, reason=HOSTILE, operator=HOSTILE))
    row = {"what": HOSTILE, "id": HOSTILE, "payment": HOSTILE}
    parked = {"id": HOSTILE, "reason": HOSTILE, "detail": HOSTILE, "subject": HOSTILE, "eventId": HOSTILE, "at": HOSTILE, "userId": HOSTILE}
    waits = {**WAITING, "id": HOSTILE, "userId": HOSTILE, "paymentId": HOSTILE, "reason": HOSTILE, "ticket": HOSTILE, "requestedBy": HOSTILE}
    return told(
        HOSTILE, "active", [payment(HOSTILE, rows, HOSTILE, needsReview=True, grants=True)], adjustments=rows, wouldChange=[HOSTILE],
        rejected=[{"fact": rows[0], "because": HOSTILE}], pending=[row], warnings=[row], parked=[parked], requestIds=[HOSTILE],
        waitingRevokes=[waits], unread=[HOSTILE],
    )  # fmt: skip


def _many() -> dict[str, Any]:
    """Forty payments of fifty facts each."""
    payments = []
    for number in range(40):
        rows = [fact((number * 20 + each / 4) * DAY, "charge_observed", requestId=f"request-{number}-{each}") for each in range(2, 50)]
        start = number * 20 * DAY
        rows = [fact(start, "purchase_initiated", "session recorded"), fact(start + 40, "purchase_succeeded", "grants"), *rows]
        if number < 39:
            rows[25] = {**rows[25], "type": "refund_issued", "effect": "revokes (refunded)"}
        payments.append(payment("paid" if number == 39 else "refunded", rows, f"pi_3AdhpN22bw29oXvzAbEr{number:04}"))
    return told("many", "active", payments, requestIds=[f"request-{number}" for number in range(900)])


WAITING = {
    "id": "w1", "userId": "waiting", "paymentId": PI, "reason": "The money went back by bank transfer", "ticket": "SUP-77",
    "requestedBy": APPROVER, "requestedAt": "2026-11-26T10:00:00Z",
}  # fmt: skip
PARKED = {
    "id": "p1", "reason": "contradicting_user", "detail": "Two users are named.", "subject": "checkout.session.completed", "eventId": "evt_1",
    "at": "2026-11-26T10:00:00Z", "userId": "parked",
}  # fmt: skip
STATES = {
    "nobody": told("nobody", "none", []),
    "pro": told("pro", "active", [payment("paid", bought())]),
    "pending": told("pending", "none", [payment("payment_pending", [fact(0, "purchase_initiated"), fact(30, "purchase_pending", "payment processing")])], pending=[{"payment": PI, "what": "payment_processing", "since": "2026-03-01T09:00:30Z"}]),
    "failed": told("failed", "none", [payment("payment_failed", [fact(0, "purchase_initiated"), fact(30, "purchase_pending", "payment processing"), fact(4 * DAY, "purchase_failed", "payment failed")])]),
    "refunded": told("refunded", "revoked", [payment("refunded", bought(fact(20 * DAY, "refund_issued", "revokes (refunded)")))]),
    "disputed": told("disputed", "revoked", [payment("chargeback_lost", bought(fact(20 * DAY, "chargeback_opened"), fact(50 * DAY, "chargeback_lost", "revokes (chargeback_lost)")))]),
    "review": told("review", "none", [payment("made_by_a_payment_link", [fact(0, "purchase_succeeded", "rejected (made_by_a_payment_link)")], needsReview=True)]),
    "parked": told("parked", "none", [], known=True, parked=[PARKED]),
    "waiting": told("waiting", "active", [payment("paid", bought(fact(90, "fraud_warning_observed")))], waitingRevokes=[WAITING], warnings=[{"what": "fraud_warning", "id": "issfr_1", "payment": PI}]),
    "adjusted": told("adjusted", "revoked", [payment("revoked_by_operator", bought(fact(30 * DAY, "entitlement_revoked", "revokes (revoked_by_operator)", reason="paid back by hand", ticket="SUP-1", operator="root")))],
                     adjustments=[fact(60 * DAY, "entitlement_granted", "grant: goodwill"), fact(90 * DAY, "entitlement_revoked", "revoke: goodwill ended")],
                     restores=[fact(31 * DAY, "restore_requested"), fact(31 * DAY + 1, "restore_failed")], requests=[fact(31 * DAY, "restore_requested"), fact(31 * DAY + 1, "restore_failed")], requestIds=["0f3c", "77aa"]),
    "many": _many(),
    HOSTILE: _hostile(),
}  # fmt: skip
TODAY = Today(
    parked=(PARKED, {**PARKED, "id": "p2", "userId": None}, {**PARKED, "id": "p3", "userId": RIGHT_TO_LEFT}),
    refused=({"userId": "review", "reason": "made_by_a_payment_link", "checkoutSessionId": None, "paymentIntentId": PI, "chargeId": None},),
    second_payments=({"userId": "pro", "since": "2026-03-01T09:00:30Z", "checkoutSessionId": None, "paymentIntentId": PI, "chargeId": None},),
    fraud_warnings=({"userId": "waiting", "at": "2026-03-01T09:00:30Z", "id": "issfr_1", "fraudType": "made_with_stolen_card", "actionable": True, "paymentIntentId": PI},),
    waiting_revokes=(WAITING,),
    findings=({"area": "provider", "level": "error", "what": "Stripe sends no refund.updated events to this endpoint", "remedy": "./atlas stripe setup adds them"},
              {"area": "operator", "level": "error", "what": f"review paid and is not Pro through {PI}: made_by_a_payment_link", "remedy": ""}),
    looked_at="2026-11-26T10:00:00Z",
    pull={"ageSeconds": 372, "failed": None},
    audit={"at": "2026-11-26T09:00:00Z", "by": "root", "users": 50_000, "paidNotPro": 0, "proNotPaid": 1, "secondPayments": 1},
    unread=("The last pull can't be read now.",),
)  # fmt: skip


class ChosenDesk:
    """Answers with STATES; every action that gets here is kept, and refused where its reason is "refuse me"."""

    def __init__(self) -> None:
        self.acts: list[tuple[StaffMember, ActionForm]] = []
        self.states: dict[str, dict[str, Any]] = dict(STATES)

    def find(self, query: str) -> FoundBuyers:
        if query == "several":
            return FoundBuyers(("pro", "refunded", HOSTILE), "Several users bought with this e-mail address.")
        query = "review" if query == PI else query
        return FoundBuyers((query,)) if query in self.states else FoundBuyers((), "Stripe knows nothing of this e-mail address.")

    def buyer(self, user_id: str) -> dict[str, Any]:
        return self.states.get(user_id) or told(user_id, "none", [])

    def today(self) -> Today:
        return TODAY

    def check(self) -> None:
        return None

    def act(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        if asked.reason == "refuse me":
            raise ActionRefused("Give a reason of at least 5 characters.", "reason")
        self.acts.append((person, asked))
        return ActionOutcome("granted")


def headers(email: str) -> dict[str, str]:
    return {"x-forwarded-email": email, "x-desk-proxy-secret": SECRET}


@contextlib.contextmanager
def desk_gallery() -> Iterator[tuple[str, ChosenDesk]]:
    """Serves the desk; gives its origin, and what answers it."""
    desk = ChosenDesk()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = DeskSettings(
            desk_url=origin, desk_auth="proxy", desk_proxy_secret=SECRET, desk_viewers=VIEWER, desk_agents=AGENT, desk_approvers=f"{APPROVER},{OTHER_APPROVER}"
        )
        server = uvicorn.Server(uvicorn.Config(build(settings, desk), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield origin, desk
        finally:
            server.should_exit = True
            thread.join(timeout=10)
