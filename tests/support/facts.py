"""Facts as a test tells them: Stripe's objects and events, through the real mapping and the real wire.

Times are seconds after :data:`T0`. `support.folding` folds what is told here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from atlas_contracts.billing import Adjustment, BillingData, BillingType, Provider, RecordedSession, Refs, Via
from atlas_kit.messaging.events import billing_event, encode
from atlas_stripe import mapping as stripe_mapping
from atlas_stripe import reads
from atlas_stripe.arrival import Arrival
from entitlements.adapters.ledger_entry import LedgerEntry, ledger_entry

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICE = 999
_numbers = itertools.count(1)


def when(seconds: int) -> datetime:
    return T0 + timedelta(seconds=seconds)


def unix(seconds: int) -> int:
    return int(when(seconds).timestamp())


def arrival(via: Via) -> Arrival:
    return Arrival(via=via, received_at=when(10**6), payload_hash="sha256:test", signature_verified=via == Via.WEBHOOK)


@dataclass(frozen=True)
class Told:
    """A canonical event as it lies on the broker."""

    data: BillingData

    @property
    def entry(self) -> LedgerEntry:
        return ledger_entry(self.wire)

    @property
    def wire(self) -> bytes:
        return encode(billing_event(self.data, "test"))

    def through(self, via: Via) -> Told:
        """The same event through another door."""
        return Told(self.data.model_copy(update={"via": via}))

    def changed(self, **update: Any) -> Told:
        return Told(self.data.model_copy(update=update))

    def __repr__(self) -> str:
        facts = self.data.refund or self.data.dispute or self.data.charge or self.data.checkout_session
        return f"<{self.data.event_id} @{(self.data.occurred_at - T0).total_seconds():g} {facts!r}>"


def stripe_event(event_type: str, obj: dict[str, Any], at: int, event_id: str | None = None) -> dict[str, Any]:
    """A Stripe event around an object."""
    return {
        "id": event_id or f"evt_{next(_numbers):06d}",
        "object": "event",
        "type": event_type,
        "created": unix(at),
        "livemode": obj.get("livemode", False),
        "data": {"object": obj},
    }


def from_stripe(
    event_type: str, obj: dict[str, Any], at: int, event_id: str | None = None, via: Via = Via.WEBHOOK
) -> Told:
    return Told(stripe_mapping.from_event(stripe_event(event_type, obj, at, event_id), arrival(via)))


@dataclass
class Refund:
    """One refund of a purchase and what Stripe tells of it."""

    purchase: Purchase
    amount: int
    id: str = field(default_factory=lambda: f"re_{next(_numbers)}")
    payment_intent: bool = True
    charge: bool = True
    second_charge: bool = False

    def object(self, status: str) -> dict[str, Any]:
        charge = self.purchase.other_charge if self.second_charge else self.purchase.charge
        return {
            "id": self.id, "object": "refund", "amount": self.amount, "status": status, "currency": "usd",
            "payment_intent": self.purchase.intent if self.payment_intent else None,
            "charge": charge if self.charge else None,
        }  # fmt: skip

    def told(self, status: str, at: int, event_type: str | None = None, event_id: str | None = None) -> Told:
        event_type = event_type or ("refund.failed" if status == "failed" else "refund.updated")
        return from_stripe(event_type, self.object(status), at, event_id)

    def read(self, status: str, at: int) -> Told:
        return Told(reads.refund_read(self.object(status), when(at), arrival(Via.RESTORE)))


@dataclass
class Dispute:
    """One dispute of a purchase and what Stripe tells of it."""

    purchase: Purchase
    id: str = field(default_factory=lambda: f"dp_{next(_numbers)}")
    payment_intent: bool = True

    def object(self, status: str) -> dict[str, Any]:
        return {
            "id": self.id, "object": "dispute", "amount": self.purchase.amount, "currency": "usd", "status": status,
            "reason": "fraudulent", "charge": self.purchase.charge,
            "payment_intent": self.purchase.intent if self.payment_intent else None,
        }  # fmt: skip

    def told(self, status: str, at: int, event_type: str | None = None, event_id: str | None = None) -> Told:
        return from_stripe(event_type or "charge.dispute.updated", self.object(status), at, event_id)

    def read(self, status: str, at: int) -> Told:
        return Told(reads.dispute_read(self.object(status), when(at), arrival(Via.RESTORE)))


@dataclass
class Purchase:
    """One checkout session and what Stripe tells of it. ``session`` overrides fields of the session object."""

    user: str | None = "ada"
    amount: int = PRICE
    session: dict[str, Any] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def session_id(self) -> str:
        return f"cs_{self.number}"

    @property
    def intent(self) -> str:
        return f"pi_{self.number}"

    @property
    def charge(self) -> str:
        return f"ch_{self.number}"

    @property
    def other_charge(self) -> str:
        """A second charge of the same payment (a first one that failed at capture, say)."""
        return f"ch_{self.number}b"

    def object(self, payment_status: str, **fields: Any) -> dict[str, Any]:
        metadata = {"productKey": "pro_lifetime_v1"} | ({"userId": self.user} if self.user else {})
        return {
            "id": self.session_id, "object": "checkout.session", "status": "complete", "mode": "payment",
            "payment_status": payment_status, "amount_total": self.amount, "currency": "usd", "livemode": False,
            "payment_link": None, "metadata": metadata, "client_reference_id": self.user, "created": unix(-60),
            "payment_intent": self.intent if self.amount else None, "customer": f"cus_{self.user}",
        } | self.session | fields  # fmt: skip

    def completed(self, payment_status: str, at: int, event_id: str | None = None, **fields: Any) -> Told:
        return from_stripe("checkout.session.completed", self.object(payment_status, **fields), at, event_id)

    def paid(self, at: int = 0, event_id: str | None = None, **fields: Any) -> Told:
        return self.completed("paid", at, event_id, **fields)

    def pending(self, at: int = 0, event_id: str | None = None) -> Told:
        return self.completed("unpaid", at, event_id)

    def free(self, at: int = 0, event_id: str | None = None) -> Told:
        return self.completed("no_payment_required", at, event_id, amount_total=0, payment_intent=None)

    def settled(self, at: int, event_id: str | None = None) -> Told:
        return from_stripe("checkout.session.async_payment_succeeded", self.object("paid"), at, event_id)

    def bounced(self, at: int, event_id: str | None = None) -> Told:
        return from_stripe("checkout.session.async_payment_failed", self.object("unpaid"), at, event_id)

    def expired(self, at: int) -> Told:
        return from_stripe("checkout.session.expired", self.object("unpaid", status="expired"), at)

    def charge_object(self, refunded: int, *, second: bool = False) -> dict[str, Any]:
        return {
            "id": self.other_charge if second else self.charge, "object": "charge", "amount": self.amount, "amount_refunded": refunded, "paid": True,
            "refunded": refunded == self.amount, "currency": "usd", "payment_intent": self.intent, "customer": None,
            "created": unix(0), "balance_transaction": {"id": f"txn_{self.number}", "created": unix(1)},
        }  # fmt: skip

    def charge_refunded(
        self, at: int, amount: int | None = None, event_id: str | None = None, *, second: bool = False
    ) -> Told:
        """``charge.refunded`` with the cumulative amount."""
        obj = self.charge_object(self.amount if amount is None else amount, second=second)
        return from_stripe("charge.refunded", obj, at, event_id)

    def charge_read(self, at: int, refunded: int = 0) -> Told:
        return Told(reads.charge_read(self.charge_object(refunded), when(at), arrival(Via.PULL)))

    def named(self, user: str, at: int, event_id: str | None = None) -> Told:
        """The paid session told once more, its metadata edited to another user."""
        metadata = {"productKey": "pro_lifetime_v1", "userId": user}
        return self.paid(at, event_id, metadata=metadata, client_reference_id=user)

    def fraud_warning(self, at: int, event_id: str | None = None, *, actionable: bool = True) -> Told:
        warning = {
            "id": f"issfr_{self.number}", "object": "radar.early_fraud_warning", "actionable": actionable,
            "charge": self.charge, "payment_intent": self.intent, "fraud_type": "made_with_stolen_card", "livemode": False,
        }  # fmt: skip
        return from_stripe("radar.early_fraud_warning.created", warning, at, event_id)

    def by_operator(self, action: str, at: int, key: str | None = None) -> Told:
        """``./atlas revoke USER --payment …``, or ``--undo``."""
        word = {"revoke_payment": BillingType.ENTITLEMENT_REVOKED, "undo_revoke_payment": BillingType.ENTITLEMENT_GRANTED}
        told = adjustment(self.user or "nobody", "revoke", at, key)
        return told.changed(
            event_id=f"manual:{told.data.provider_event_id}:{word[action]}",
            schema_version=2,
            refs=Refs(payment_intent_id=self.intent),
            adjustment=Adjustment(action=action, reason="test", operator="support"),
        )

    def read(
        self, at: int, payment_status: str = "paid", via: Via = Via.CONFIRM, intent_status: str = "succeeded"
    ) -> Told:
        """The session as confirm and restore read it, payment and charge expanded."""
        intent = {"id": self.intent, "status": intent_status, "latest_charge": self.charge_object(0)}
        obj = self.object(payment_status, payment_intent=intent)
        return Told(reads.session_read(obj, when(at), arrival(via)))

    def refund(self, amount: int | None = None, **options: Any) -> Refund:
        return Refund(self, self.amount if amount is None else amount, **options)

    def dispute(self, **options: Any) -> Dispute:
        return Dispute(self, **options)

    def recorded(self, at: int = -60, user: str | None = None, **fields: Any) -> Told:
        """``purchase_initiated``: what our checkout service asked Stripe for."""
        record = {
            "id": self.session_id,
            "amount": self.amount,
            "currency": "usd",
            "price_id": "price_1",
            "source": "hero",
        }
        pe_id = f"initiated:{self.session_id}"
        return Told(
            BillingData(
                event_id=f"stripe:{pe_id}:{BillingType.PURCHASE_INITIATED}",
                provider=Provider.STRIPE,
                provider_event_id=pe_id,
                user_id=user or self.user,
                occurred_at=when(at),
                received_at=when(at),
                via=Via.CHECKOUT,
                payload_hash="sha256:test",
                signature_verified=False,
                refs=Refs(checkout_session_id=self.session_id),
                recorded_session=RecordedSession(**(record | fields)),
            )
        )

    def at_store(self, provider: Provider, *told: Told) -> list[Told]:
        """The same facts as another source would tell them (reserved: ios_iap, android_iap)."""
        return [
            one.changed(provider=provider, event_id=one.data.event_id.replace("stripe:", f"{provider}:", 1))
            for one in told
        ]


def adjustment(user: str, action: str, at: int, key: str | None = None) -> Told:
    """``./atlas grant`` and ``./atlas revoke``."""
    canonical = {"grant": BillingType.ENTITLEMENT_GRANTED, "revoke": BillingType.ENTITLEMENT_REVOKED}[action]
    key = key or f"adjust-{next(_numbers):06d}"
    return Told(
        BillingData(
            event_id=f"manual:{key}:{canonical}",
            provider=Provider.MANUAL,
            provider_event_id=key,
            idempotency_key=key,
            user_id=user,
            occurred_at=when(at),
            received_at=when(at),
            via=Via.OPERATOR,
            payload_hash="sha256:test",
            signature_verified=False,
            adjustment=Adjustment(action=action, reason="test", operator="support"),
        )
    )


def grant(user: str, at: int, key: str | None = None) -> Told:
    return adjustment(user, "grant", at, key)


def revoke(user: str, at: int, key: str | None = None) -> Told:
    return adjustment(user, "revoke", at, key)
