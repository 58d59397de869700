"""A database of the existing web app, as PREDECESSOR.md describes it, with users of every kind and their past at Stripe."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.types.json import Jsonb

from support.predecessor_tables import TABLES

PRODUCT = "pro_lifetime_v1"
NOBODY = {"isPro": False, "status": "none", "source": None}
Seed = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""The sandbox's `POST /_sandbox/seed`: old sessions, and what was made of each."""


def verdict(status: str, source: str | None = None) -> dict[str, Any]:
    return {"isPro": status == "active", "status": status, "source": source}


@dataclass
class Kind:
    """One sort of user: what the web app says of them, what is right, and how many of a thousand there are."""

    share: int
    there: dict[str, Any]
    here: dict[str, Any]
    session: dict[str, Any] | None = None
    """Their session at Stripe."""
    refused: bool = False
    """Whether the import has something to refuse."""
    gone: bool = False
    """Whether their account is gone: not compared."""


STRIPE, MANUAL, IOS, ANDROID = (verdict("active", source) for source in ("stripe", "manual", "ios_iap", "android_iap"))
KINDS: dict[str, Kind] = {
    "bought": Kind(200, STRIPE, STRIPE, {}),
    "bought_with_customer": Kind(150, STRIPE, STRIPE, {"customer": True}),
    "restored_only": Kind(40, STRIPE, STRIPE, {}),
    "known_by_event_id": Kind(20, STRIPE, STRIPE, {}),
    "customer_only": Kind(30, STRIPE, STRIPE, {"customer": True}),
    "refunded_but_active": Kind(60, STRIPE, verdict("revoked", "stripe"), {"refunds": [{}]}),
    "lost_but_active": Kind(20, STRIPE, verdict("revoked", "stripe"), {"disputes": [{"status": "lost"}]}),
    "partly_refunded_and_revoked": Kind(30, verdict("revoked", "stripe"), STRIPE, {"refunds": [{"amount": 100}]}),
    "refund_failed": Kind(10, verdict("revoked", "stripe"), STRIPE, {"refunds": [{"status": "failed"}]}),
    "refunded": Kind(30, verdict("revoked", "stripe"), verdict("revoked", "stripe"), {"refunds": [{}]}),
    "manual": Kind(60, MANUAL, MANUAL),
    "promo": Kind(60, MANUAL, MANUAL),
    "promo_in_projection": Kind(20, MANUAL, MANUAL),
    "app_store": Kind(60, IOS, IOS),
    "play_store": Kind(60, ANDROID, ANDROID),
    "play_store_in_projection": Kind(20, ANDROID, ANDROID),
    "manual_revoked": Kind(30, verdict("revoked", "manual"), verdict("revoked", "manual")),
    "app_store_revoked": Kind(20, verdict("revoked", "ios_iap"), verdict("revoked", "ios_iap")),
    "manual_and_bought": Kind(20, MANUAL, MANUAL, {}),
    "manual_and_refunded": Kind(10, MANUAL, MANUAL, {"refunds": [{}]}),
    "never_finished": Kind(20, NOBODY, NOBODY, {"outcome": "expired"}),
    "deleted": Kind(10, MANUAL, NOBODY, {}, refused=True, gone=True),
    "long_id": Kind(3, STRIPE, NOBODY, refused=True),
    "control_characters": Kind(3, STRIPE, NOBODY, refused=True),
    "payload_is_a_list": Kind(3, STRIPE, STRIPE, {}, refused=True),
    "unknown_at_stripe": Kind(3, STRIPE, NOBODY, refused=True),
    "other_product": Kind(4, NOBODY, NOBODY, refused=True),
    "from_the_future": Kind(3, MANUAL, NOBODY, refused=True),
    "plain": Kind(21, NOBODY, NOBODY),
}  # fmt: skip


@dataclass
class Person:
    id: str
    kind: str
    began: datetime
    session: dict[str, Any] | None = None

    @property
    def of(self) -> Kind:
        return KINDS[self.kind]

    @property
    def changed(self) -> datetime:
        return self.began + timedelta(days=30)


@dataclass
class Population:
    """Everybody in the database."""

    people: list[Person]
    now: datetime
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def of_kind(self, *kinds: str) -> list[Person]:
        return [person for person in self.people if person.kind in kinds]

    @property
    def differing(self) -> dict[str, Person]:
        """Those about whom the web app is wrong, by id."""
        return {p.id: p for p in self.people if p.of.there != p.of.here and not p.of.gone}

    @property
    def with_rows(self) -> list[Person]:
        """Those of whom the three tables say something."""
        return [person for person in self.people if person.kind != "plain"]


def make_tables(connection: psycopg.Connection[Any], schema: str = "public") -> None:
    """Every table that PREDECESSOR.md names, in a schema (made where it isn't there)."""
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    connection.execute(f'SET search_path TO "{schema}"')
    connection.execute(TABLES)


def populate(dsn: str, count: int, seed: Seed, chance: Random | None = None, schema: str = "public") -> Population:
    """A database with some ``count`` users of every kind, and their sessions at Stripe."""
    people = Population(list(_people(count, chance or Random(13))), datetime.now(UTC))
    buyers = [person for person in people.people if person.of.session is not None]
    given = [
        {
            "created": int(person.began.timestamp()),
            "metadata": {"userId": person.id, "productKey": PRODUCT},
            **(person.of.session or {}),
        }
        for person in buyers
    ]
    for person, made in zip(buyers, seed(given), strict=True):
        person.session = made
    with psycopg.connect(dsn) as connection:
        make_tables(connection, schema)
        for person in people.people:
            _write(connection, person, people)
        _events_of_nobody(connection, people)
    return people


def _people(count: int, chance: Random) -> Iterator[Person]:
    whole = sum(kind.share for kind in KINDS.values())
    newest = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    number = itertools.count(1)
    for name, kind in KINDS.items():
        for _ in range(max(1, round(kind.share * count / whole))):
            began = newest - timedelta(seconds=chance.randrange(3 * 365 * 86_400))
            yield Person(f"clx{next(number):06d}{chance.randrange(16**6):06x}", name, began)


def _write(connection: psycopg.Connection[Any], person: Person, people: Population) -> None:
    add = _Rows(connection, person, people)
    add.user(deleted=person.changed if person.of.gone else None)
    session = person.session or {}
    match person.kind:
        case "manual" | "deleted":
            add.pro("manual")
            if session:
                add.event("purchase_succeeded", session["payment_intent"])
        case "promo" | "app_store" | "play_store":
            add.pro(person.kind)
        case "manual_revoked":
            add.pro("manual", "revoked")
        case "app_store_revoked":
            add.pro("app_store", "revoked")
        case "promo_in_projection":
            add.pro("play_store", "revoked")  # overruled
            add.projection("active", "manual")
        case "play_store_in_projection":
            add.projection("active", "android_iap")
        case "manual_and_bought" | "manual_and_refunded":
            # Granted first: the earliest grant that still holds names the source.
            add.projection("active", "manual", active_from=person.began - timedelta(days=5))
            add.event("purchase_succeeded", session["id"])
        case "never_finished":
            add.event("purchase_initiated", session["id"])
        case "other_product":
            add.projection("active", "stripe", product="stickers")
        case "from_the_future":
            add.projection("active", "manual", active_from=people.now + timedelta(days=900))
        case "plain":
            pass
        case _:
            _write_buyer(add, person, session)


def _write_buyer(add: _Rows, person: Person, session: dict[str, Any]) -> None:
    status = person.of.there["status"]
    add.projection(status, "stripe", customer=session.get("customer"))
    match person.kind:
        case "restored_only":
            add.event("restore_succeeded", None, {"restored": {"checkoutSessionId": session["id"]}})
        case "known_by_event_id":
            add.event("restore_succeeded", None, event_id=f"restore:{session['id']}:1")
        case "customer_only":
            pass
        case "long_id":
            add.event("purchase_succeeded", "pi_" + "9" * 297)
        case "control_characters":
            add.event("purchase_succeeded", "pi_\x1b[31mred\x07")
        case "unknown_at_stripe":
            add.event("purchase_succeeded", f"cs_test_{person.id}")
        case "payload_is_a_list":
            add.event("purchase_succeeded", session["id"], payload=[1, 2])
        case _:
            of_session = int(person.id[3:9]) % 2
            add.event("purchase_initiated", session["id"])
            add.event("purchase_succeeded", session["id"] if of_session else session["payment_intent"], {"amountCents": 4900, "currency": "usd", "providerCustomerId": session["customer"]})
            if person.of.session and person.of.session.get("refunds"):
                add.event("refund_issued", session["charge"])


@dataclass
class _Rows:
    """Writes one person's rows."""

    connection: psycopg.Connection[Any]
    person: Person
    people: Population

    def _insert(self, table: str, **values: Any) -> None:
        number = next(self.people._numbers)
        values = {"id": f"row{number}", **values}
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join(["%s"] * len(values))
        self.connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', [_naive(v) for v in values.values()])

    def user(self, deleted: datetime | None = None) -> None:
        self._insert("User", id=self.person.id, email=f"{self.person.id}@example.com", deletedAt=deleted)

    def pro(self, source: str, status: str = "active") -> None:
        person = self.person
        restored = person.began if int(person.id[3:9]) % 2 else None
        self._insert(
            "ProEntitlement", userId=person.id, status=status, source=source, restoredAt=restored,
            createdAt=person.began, updatedAt=person.changed,
        )  # fmt: skip

    def projection(self, status: str, provider: str | None, *, customer: str | None = None, product: str = PRODUCT, active_from: datetime | None = None) -> None:
        person = self.person
        self._insert(
            "BillingEntitlementProjection", userId=person.id, productKey=product, status=status, provider=provider,
            providerCustomerId=customer, activeFrom=active_from or person.began,
            activeUntil=person.changed if status == "revoked" else None, createdAt=person.began, updatedAt=person.changed,
        )  # fmt: skip

    def event(self, kind: str, transaction: str | None, payload: Any = None, *, event_id: str | None = None) -> None:
        number = next(self.people._numbers)
        self._insert(
            "BillingEventLedger", eventId=f"event{number}", userId=self.person.id, provider="stripe",
            providerEventId=event_id or f"evt_old{number}", providerTransactionId=transaction, idempotencyKey=f"key{number}",
            productKey=PRODUCT, eventType=kind, occurredAt=self.person.began, receivedAt=self.person.began,
            payload=Jsonb({} if payload is None else payload), payloadHash="sha256:old",
        )  # fmt: skip


def _naive(value: Any) -> Any:
    """Prisma writes UTC into a timestamp without zone."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _events_of_nobody(connection: psycopg.Connection[Any], people: Population) -> None:
    rows = _Rows(connection, people.people[0], people)
    for _ in range(2):
        rows.event("purchase_succeeded", "pi_of_nobody")
    connection.execute(
        'UPDATE "BillingEventLedger" SET "userId" = NULL WHERE "providerTransactionId" = %s', ("pi_of_nobody",)
    )


def read_only_role(dsn: str, password: str = "read-only-secret") -> str:
    """A role that may read nothing yet; its DSN."""
    name = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


def refused_for(told: dict[str, Any], people: Iterable[Person]) -> list[str]:
    """Those of ``people`` about whom an import refused nothing."""
    refused = {row["userId"] for row in told["refused"]}
    return [json.dumps(person.id) for person in people if person.id not in refused]
