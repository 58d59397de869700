"""Importing: what the web app's rows mean, told to the services in batches. Every step may be repeated.

First the grants that are made by word or by a store, while the rows are read; then, with that database closed again,
the ids of Stripe's, about which Stripe is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas_contracts.internal_api import CHECKOUT_SERVICE, INGEST_SERVICE
from atlas_contracts.moving_in import ImportGrantsRequest
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.predecessor.connection import Predecessor
from atlas_operator.predecessor.meaning import ORIGIN, LeftOut, RowsMeaning, meaning_of, shown
from atlas_operator.predecessor.rows import moment_and_count, nobodys, people
from atlas_operator.terminal.progress import Advance

USERS_AT_ONCE = 2_500
BYTES_AT_ONCE = 1_500_000
"""Of one question about purchases; the service takes four million."""


@dataclass(slots=True)
class ImportReport:
    """What the import came to, by user."""

    read: int = 0
    new: set[str] = field(default_factory=set)
    """Users about whom something new was told."""
    fine: set[str] = field(default_factory=set)
    """Users of whom something was known already, or of whom nothing had to be told."""
    refused: list[LeftOut] = field(default_factory=list)
    late: bool = False
    """Whether something that was told has not taken effect yet."""

    @property
    def known(self) -> int:
        return len(self.fine - self.new)

    def count(self, user_id: str, outcome: str) -> None:
        (self.new if outcome == "new" else self.fine).add(user_id)

    def as_json(self) -> dict[str, Any]:
        refused = [refusal.as_json() for refusal in self.refused]
        return {"read": self.read, "new": len(self.new), "known": self.known, "refused": refused}


def import_grants(
    operator: Operator, old: Predecessor, report: ImportReport, step: Advance, *, dry_run: bool
) -> list[RowsMeaning]:
    """Tell every grant; the users of whom Stripe has to be asked. Raises CallFailed."""
    now, count = moment_and_count(old, everybody=False)
    buyers: list[RowsMeaning] = []
    for batch in people(old, everybody=False):
        meanings = [meaning_of(person, now) for person in batch]
        _tell_grants(operator, meanings, report, dry_run=dry_run)
        for told in meanings:
            report.refused += told.refused
            if told.customers or told.payments:
                buyers.append(told)
            elif told.grant is None and not told.refused:
                report.count(told.user_id, "nothing")
        report.read += len(batch)
        step(report.read, count)
    for row_id, event_type in nobodys(old):
        what = f"BillingEventLedger {shown(row_id)} ({shown(event_type)})"
        report.refused.append(LeftOut(None, what, "the account is gone; nothing of it was imported"))
    return buyers


def _tell_grants(operator: Operator, meanings: Iterable[RowsMeaning], report: ImportReport, *, dry_run: bool) -> None:
    grants = [told.grant for told in meanings if told.grant]
    if not grants:
        return
    request = ImportGrantsRequest(origin=ORIGIN, grants=grants, dry_run=dry_run)
    answer = operator.post(
        INGEST_SERVICE, "/operator/import-grants", request.model_dump(mode="json", by_alias=True, exclude_none=True)
    )
    report.late |= not answer["applied"]
    for grant, outcome in zip(grants, answer["outcomes"], strict=True):
        report.count(grant.user_id, outcome)


def import_purchases(
    operator: Operator, buyers: Sequence[RowsMeaning], report: ImportReport, step: Advance, *, dry_run: bool
) -> None:
    """Have Stripe asked about every id, and what it says told. Raises CallFailed."""
    total, done = sum(len(told.customers) + len(told.payments) for told in buyers), 0
    for claims in _parts(buyers):
        ended = False
        body = {"origin": ORIGIN, "claims": claims, "dryRun": dry_run}
        for line in operator.lines(CHECKOUT_SERVICE, "/operator/import-purchases", body):
            ended = ended or line.get("done") is True
            if "settled" in line:
                step(min(done + int(line["settled"]), total), total)
            if "userId" in line:
                _count(report, line)
        if not ended:
            raise CallFailed("Checkout's answer was cut off; run the command again: what was told stays told.")
        done += sum(len(claim["customerIds"]) + len(claim["paymentIds"]) for claim in claims)
        step(done, total)


def _count(report: ImportReport, line: dict[str, Any]) -> None:
    if line["outcome"] == "refused":
        report.refused.append(LeftOut(line["userId"], shown(line["id"]), line["because"]))
    else:
        report.count(line["userId"], line["outcome"])
    report.late |= line.get("applied") is False


def _parts(buyers: Sequence[RowsMeaning]) -> Iterator[list[dict[str, Any]]]:
    """The buyers' ids in questions of a bounded size."""
    part: list[dict[str, Any]] = []
    size = 0
    for told in buyers:
        claim = {"userId": told.user_id, "customerIds": told.customers, "paymentIds": told.payments}
        length = len(json.dumps(claim))
        if part and (len(part) >= USERS_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(claim)
        size += length
    if part:
        yield part
