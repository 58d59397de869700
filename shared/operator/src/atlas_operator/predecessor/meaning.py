"""What a user's rows in the web app mean: a grant to import, ids to ask Stripe about, and what is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from atlas_contracts.billing import PRODUCT_PRO
from atlas_contracts.moving_in import GrantToImport, ImportedSource
from atlas_contracts.text import visible
from atlas_contracts.user_id import DESCRIPTION, is_user_id
from atlas_operator.predecessor.rows import Person

ORIGIN = "project-atlas"
OF_PRO_ENTITLEMENT = {"manual": "manual", "promo": "manual", "app_store": "ios_iap", "play_store": "android_iap"}
STORES_AND_WORDS: tuple[str, ...] = get_args(ImportedSource)
PROVIDERS = (*STORES_AND_WORDS, "stripe")
STATUSES = ("none", "active", "revoked")
NAMES_A_PAYMENT = ("purchase_", "restore_")
"""Types of events whose transaction is a payment; of a refund or a dispute it is a charge."""
MAX_STRIPE_ID = 255
SHOWN = 60
"""Characters of what is refused."""
_CUSTOMER = re.compile(r"cus_[A-Za-z0-9]+")
_PAYMENT = re.compile(r"(?:cs|pi)_[A-Za-z0-9_]+")
_WITHIN = re.compile(r"(?<![A-Za-z0-9_])(?:cs|pi)_[A-Za-z0-9_]+")
_GONE = {"deleted": "the account was deleted", "missing": "the account is gone"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was left out, and why."""

    user_id: str | None
    what: str
    because: str

    def as_json(self) -> dict[str, str | None]:
        return {"userId": self.user_id, "what": self.what, "because": self.because}


@dataclass(slots=True)
class RowsMeaning:
    """Everything that a user's rows come to."""

    user_id: str
    grant: GrantToImport | None = None
    customers: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    """Checkout sessions and payment intents."""
    refused: list[LeftOut] = field(default_factory=list)

    def refuse(self, what: str, because: str) -> None:
        self.refused.append(LeftOut(self.user_id, shown(what), because))


def meaning_of(person: Person, now: datetime) -> RowsMeaning:
    """What is to be imported of one user. ``now`` is the time at the web app's database."""
    told = RowsMeaning(person.id)
    if person.state != "there":
        told.refuse("everything of this user", f"{_GONE[person.state]}; nothing of it was imported")
    elif not is_user_id(person.id):
        told.refuse("everything of this user", f"a user id is {DESCRIPTION}")
    else:
        _read_grant(person, now, told)
        _read_purchases(person, told)
    return told


def projection_of(person: Person) -> Row | None:
    """The row that decides for our product, where there is one."""
    return next((row for row in person.projections if row["productKey"] == PRODUCT_PRO), None)


def shown(text: str) -> str:
    """Text that comes from the web app's rows, in one short line."""
    told = visible(text)
    return told if len(told) <= SHOWN else f"{told[:SHOWN]}… ({len(text)} characters)"


def _read_grant(person: Person, now: datetime, told: RowsMeaning) -> None:
    for other in person.projections:
        if other["productKey"] != PRODUCT_PRO:
            told.refuse(f"BillingEntitlementProjection of {other['productKey']}", f"it is not of {PRODUCT_PRO}")
    projection, pro = projection_of(person), person.pro
    table = "ProEntitlement" if projection is None else "BillingEntitlementProjection"
    row: Row | None = pro if projection is None else projection
    if row is None or row["status"] == "none":
        return
    source = _source(projection, pro, told)
    if source is None or source == "stripe":
        return
    if row["status"] not in STATUSES:
        told.refuse(f"{table} with status {row['status']}", f"a status is one of {', '.join(STATUSES)}")
        return
    try:
        told.grant = _grant(person.id, source, table, row, pro, now)
    except ValueError as error:
        told.refuse(table, str(error))


def _source(projection: Row | None, pro: Row | None, told: RowsMeaning) -> str | None:
    """Of what kind the grant is: the projection's provider decides where there is one, else ProEntitlement."""
    named = projection and projection["provider"]
    if named in PROVIDERS:
        return str(named)
    if named is not None:
        told.refuse(
            f"BillingEntitlementProjection with provider {named}", f"a provider is one of {', '.join(PROVIDERS)}"
        )
        return None
    if pro is None:
        told.refuse("BillingEntitlementProjection", "it names no provider, and there is no ProEntitlement beside it")
        return None
    if pro["source"] not in OF_PRO_ENTITLEMENT:
        told.refuse(
            f"ProEntitlement with source {pro['source']}", f"a source is one of {', '.join(OF_PRO_ENTITLEMENT)}"
        )
        return None
    return OF_PRO_ENTITLEMENT[pro["source"]]


def _grant(user_id: str, source: str, table: str, row: Row, pro: Row | None, now: datetime) -> GrantToImport:
    """Raises ValueError, in words, for times that make no sense."""
    restored = (pro or {}).get("restoredAt")
    began = _moment(row.get("activeFrom") or restored or row["createdAt"])
    changed = _moment(row["updatedAt"])
    if began > now:
        raise ValueError(f"it begins in the future ({began:%Y-%m-%d})")
    ended = None
    if row["status"] == "revoked":
        told = [_moment(text) for text in (row.get("activeUntil"), row["updatedAt"]) if text]
        ended = next((at for at in told if began <= at <= now), began)
    words = (pro or {}).get("source") if table == "ProEntitlement" else source
    return GrantToImport(
        user_id=user_id,
        source=source,
        active_from=began,
        active_until=ended,
        as_of=changed,
        reason=f"{words} in {table} of {ORIGIN}",
    )


def _moment(text: str) -> datetime:
    """A ``timestamp(3)`` without zone, which Prisma writes in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no time that can be used") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _read_purchases(person: Person, told: RowsMeaning) -> None:
    customers: dict[str, None] = {}
    payments: dict[str, None] = {}
    projection = projection_of(person)
    if projection is not None and projection["customer"] is not None and projection["provider"] in ("stripe", None):
        _collect(told, customers, _CUSTOMER, "providerCustomerId", projection["customer"], "of a customer at Stripe")
    for row in person.events:
        where = f"BillingEventLedger {row['id']}"
        if row["provider"] != "stripe":
            told.refuse(f"{where} with provider {row['provider']}", f"a provider is one of {', '.join(PROVIDERS)}")
        elif row["productKey"] != PRODUCT_PRO:
            told.refuse(f"{where} of {row['productKey']}", f"it is not of {PRODUCT_PRO}")
        else:
            _read_event(row, where, told, customers, payments)
    told.customers, told.payments = list(customers), list(payments)


def _read_event(row: Row, where: str, told: RowsMeaning, customers: dict[str, None], payments: dict[str, None]) -> None:
    if row["kind"] not in ("object", "null", None):
        told.refuse(f"{where}: payload", f"it is no object but {row['kind']}")
    elif row["customer"] is not None:
        _collect(told, customers, _CUSTOMER, f"{where}: customer", row["customer"], "of a customer at Stripe")
    transaction = row["transaction"]
    if transaction and row["type"].startswith(NAMES_A_PAYMENT):
        _collect(told, payments, _PAYMENT, f"{where}: transaction", transaction, "of a payment or a session at Stripe")
    for text in (row["providerEventId"], row["payload"] if row["kind"] == "object" else None):
        payments.update(dict.fromkeys(_ids_within(text or "")))


def _collect(
    told: RowsMeaning, into: dict[str, None], pattern: re.Pattern[str], what: str, value: str, kind: str
) -> None:
    if pattern.fullmatch(value) and len(value) <= MAX_STRIPE_ID:
        into[value] = None
    else:
        told.refuse(f"{what} {value}", f"it is no id {kind}")


def _ids_within(text: str) -> Iterator[str]:
    found: Iterable[str] = _WITHIN.findall(text)
    for name in found:
        plain = name.partition("_secret_")[0]  # a client secret begins with its payment's id
        if len(plain) <= MAX_STRIPE_ID:
            yield plain
