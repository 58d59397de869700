"""The facts of an explanation in the order of the provider's time, and the periods in which each payment granted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_operator import sentences

Row = Mapping[str, Any]
OPERATOR, BUYER = "By an operator", "Asked by the buyer"
_NAMES: Mapping[str, tuple[str, str]] = {
    "purchase_initiated": ("opened", "Checkout opened"),
    "purchase_pending": ("pending", "Payment on its way"),
    "purchase_succeeded": ("paid", "Paid"),
    "purchase_failed": ("failed", "Payment failed"),
    "purchase_expired": ("failed", "Checkout expired"),
    "charge_observed": ("other", "Charge read"),
    "refund_issued": ("refund", "Refund"),
    "refund_failed": ("failed", "Refund failed"),
    "chargeback_opened": ("dispute", "Dispute opened"),
    "chargeback_updated": ("dispute", "Dispute moved"),
    "chargeback_won": ("dispute", "Dispute won"),
    "chargeback_lost": ("dispute", "Dispute lost"),
    "fraud_warning_observed": ("warning", "Fraud warning"),
    "entitlement_granted": ("grant", "Granted"),
    "entitlement_revoked": ("revoke", "Revoked"),
    "restore_requested": ("asked", "Restore asked for"),
    "restore_succeeded": ("asked", "Restore succeeded"),
    "restore_failed": ("failed", "Restore failed"),
}
"""For each type of fact: the kind of its mark, and what the type is called."""


@dataclass(frozen=True, slots=True)
class FactSeen:
    """One fact, ready to be shown. ``anchor`` is the id of its row in the table; ``lane`` the payment, or who acted."""

    anchor: str
    lane: str
    at: datetime
    kind: str
    what: str
    effect: str
    amount: str
    via: str
    event_id: str
    request_id: str

    @property
    def when(self) -> str:
        """The provider's time, to the second (UTC)."""
        return f"{self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def line(self) -> str:
        """All of it in one line."""
        said = " · ".join(text for text in (f"{self.when} UTC", self.what, self.amount) if text)
        return f"{said}: {self.effect or 'recorded, changes nothing'}"


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when something granted Pro; ``end`` is None while it does."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """One payment (or one kind of actor): its facts in time order, when it granted, and how it stands now."""

    name: str
    facts: tuple[FactSeen, ...]
    periods: tuple[Period, ...] = ()
    state: str = "told"
    """``grants``, ``ended``, ``pending``, ``refused``, ``nothing`` for a payment; ``told`` for everything else."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known of one buyer, in time."""

    lanes: tuple[Lane, ...]
    facts: tuple[FactSeen, ...]
    """Of all lanes, newest first."""
    verdict: tuple[Period, ...]


def history_of(told: Row) -> History:
    """The history in an explanation (``explain --json``)."""
    counter = iter(range(1, 1_000_000))
    payments = [_payment(payment, counter) for payment in told.get("payments", ())]
    lanes = [lane for lane in payments if lane.facts]
    said = _lane(OPERATOR, told.get("adjustments", ()), counter)
    if said.facts:
        lanes.append(Lane(OPERATOR, said.facts, tuple(_by_word(said.facts))))
    asked = _lane(BUYER, told.get("requests", ()), counter)
    if asked.facts:
        lanes.append(asked)
    lanes.sort(key=lambda lane: lane.facts[0].at)
    facts = sorted((fact for lane in lanes for fact in lane.facts), key=lambda fact: fact.at, reverse=True)
    return History(tuple(lanes), tuple(facts), _verdict(told.get("verdict", {}), lanes))


def instant(text: object) -> datetime | None:
    """An instant of a service's answer; None for anything else."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _payment(payment: Row, counter: Iterator[int]) -> Lane:
    rows = payment.get("facts", ())
    name = str(payment.get("id") or "")
    lane = _lane(name, rows, counter)
    grants = bool(payment.get("grants"))
    periods = tuple(_by_effect(rows, grants=grants))
    because = str(payment.get("because") or "")
    state = (
        "grants" if grants else "refused" if payment.get("needsReview") else "ended" if periods
        else "pending" if because == "payment_pending" else "nothing"
    )  # fmt: skip
    return Lane(name, lane.facts, periods, state, because.replace("_", " "))


def _lane(name: str, rows: Iterable[Row], counter: Iterator[int]) -> Lane:
    seen = [fact for row in rows if (fact := _seen(name, row, next(counter)))]
    return Lane(name, tuple(sorted(seen, key=lambda fact: fact.at)))


def _seen(lane: str, row: Row, number: int) -> FactSeen | None:
    at = instant(row.get("occurredAt") or row.get("at"))
    if at is None:
        return None
    kind = str(row.get("type") or row.get("action") or "")
    mark, what = _NAMES.get(kind, ("other", sentences.capital(kind.replace("_", " ")) or "Fact"))
    return FactSeen(
        f"fact-{number}", lane, at, mark, what, sentences.effect(row), sentences.amount(row),
        str(row.get("via") or "operator"), str(row.get("eventId") or ""), str(row.get("requestId") or ""),
    )  # fmt: skip


def _by_effect(rows: Sequence[Row], *, grants: bool) -> Iterator[Period]:
    """When a payment granted, by what each of its facts did when it came."""
    start: datetime | None = None
    first = last = None
    for row in rows:
        at, effect = instant(row.get("occurredAt")), str(row.get("effect") or "")
        if at is None:
            continue
        first, last = first or at, max(last or at, at)
        if effect.startswith("grants") and start is None:
            start = at
        elif effect.startswith("revokes") and start is not None:
            yield Period(start, max(start, at))
            start = None
    if grants and first is not None:
        yield Period(start or first, None)
    elif start is not None and last is not None:
        yield Period(start, last)


def _by_word(facts: Sequence[FactSeen]) -> Iterator[Period]:
    start: datetime | None = None
    for fact in facts:
        if fact.kind == "grant" and start is None:
            start = fact.at
        elif fact.kind == "revoke" and start is not None:
            yield Period(start, fact.at)
            start = None
    if start is not None:
        yield Period(start, None)


def _verdict(verdict: Row, lanes: Sequence[Lane]) -> tuple[Period, ...]:
    """When the buyer was Pro: the periods of everything that granted, and at its end what the verdict says."""
    merged: list[Period] = []
    for period in sorted((p for lane in lanes for p in lane.periods), key=lambda p: p.start):
        before = merged[-1] if merged else None
        if before and (before.end is None or period.start <= before.end):
            ends = None if before.end is None or period.end is None else max(before.end, period.end)
            merged[-1] = Period(before.start, ends)
        else:
            merged.append(period)
    since, until = instant(verdict.get("activeFrom")), instant(verdict.get("activeUntil"))
    is_open = bool(merged) and merged[-1].end is None
    if verdict.get("isPro") and not is_open and since:
        merged = [period for period in merged if (period.end or period.start) <= since] + [Period(since, until)]
    elif not verdict.get("isPro") and is_open:
        start = merged[-1].start
        merged[-1] = Period(start, max(start, until or start))
    return tuple(merged)
