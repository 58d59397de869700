"""Does what a person asks for at the desk. Everything leaves a fact or a log line with the person's e-mail."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE, AdjustmentRequest
from atlas_contracts.support import WAITING_PREFIX
from atlas_contracts.user_id import is_user_id
from atlas_kit.process.logs import get_logger
from atlas_operator.adjusting import ChangesNothing, adjust, refuse_what_changes_nothing
from atlas_operator.client import Operator
from atlas_operator.desk.person import Action, StaffMember
from atlas_operator.desk.ports import ActionForm, ActionOutcome, ActionRefused
from atlas_operator.errors import CallFailed

log = get_logger()

SHORTEST_REASON, LONGEST_REASON, LONGEST_TICKET = 5, 500, 255
APPLIED_SECONDS = 10.0
"""How long a person waits for the ledger; after that the page says that it is not applied yet."""
REFUSALS = frozenset({400, 404, 409, 422})
"""Answers of a service that are about what was asked, not about the service."""
WAITING = "/operator/waiting-revokes"
EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
NO_FACT = frozenset({Action.READ_PAYMENTS, Action.REDRIVE})
"""Actions whose reason stands in the log line, because they leave no fact that could keep it."""
OUTCOMES = {
    "restored": "read-restored",
    "already_active": "read-active",
    "not_eligible": "read-refused",
    "not_found": "read-none",
}
"""What came of reading a buyer's payments, as checkout says it, and the code of the sentence that is shown."""


class Acting:
    """Carries out actions. ``two_people``: a revoke waits until another approver agrees."""

    def __init__(self, operator: Operator, *, two_people: bool) -> None:
        self._operator, self._two_people = operator, two_people
        self._do: dict[Action, Callable[[StaffMember, ActionForm], ActionOutcome]] = {
            Action.READ_PAYMENTS: self._read_payments,
            Action.REDRIVE: self._redrive,
            Action.GRANT: self._grant,
            Action.REVOKE: self._revoke,
            Action.UNDO: self._undo,
            Action.APPROVE: self._approve,
            Action.WITHDRAW: self._withdraw,
        }

    def act(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        """Do it. Raises ActionRefused, where nothing was changed, or CallFailed."""
        if not person.may(asked.action):
            raise ActionRefused("You may not do this.")
        if not (is_user_id(asked.user_id) or (asked.action is Action.REDRIVE and not asked.user_id)):
            raise ActionRefused("The form names no user.")
        reason, ticket = _why(asked, required=False)
        try:
            outcome = self._do[asked.action](person, asked)
        except ChangesNothing as refusal:
            raise ActionRefused(f"{refusal} {_without_command(refusal.remedy)}".strip()) from None
        except CallFailed as error:
            if error.status in REFUSALS:
                raise ActionRefused(error.said or "The service refused this; nothing was changed.") from None
            raise
        log.info(
            "desk.acted",
            action=asked.action.value,
            by=person.email,
            userId=asked.user_id or None,
            ticket=ticket or None,
            reason=(asked.action in NO_FACT and reason) or None,
            outcome=outcome.code,
        )
        return outcome

    def _read_payments(self, _person: StaffMember, asked: ActionForm) -> ActionOutcome:
        told = self._operator.post(CHECKOUT_SERVICE, "/operator/read-payments", {"userId": asked.user_id})
        return ActionOutcome(OUTCOMES.get(str(told.get("outcome")), "read-refused"))

    def _redrive(self, _person: StaffMember, asked: ActionForm) -> ActionOutcome:
        if not asked.parked_id:
            raise ActionRefused("The form names no parked event.")
        rows: list[dict[str, Any]] = self._operator.get(INGEST_SERVICE, "/operator/parked")
        found = next((row for row in rows if row.get("id") == asked.parked_id), None)
        whose = str((found or {}).get("userId") or "")
        # An event whose metadata name no possible user is nobody's.
        if found is None or (whose if is_user_id(whose) else "") != asked.user_id:
            raise ActionRefused("This event is not parked any more.")
        self._operator.post(INGEST_SERVICE, f"/operator/parked/{quote(asked.parked_id, safe='')}/redrive", {})
        return ActionOutcome("redriven")

    def _grant(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        return self._adjusted(_request("grant", person, asked), "granted")

    def _revoke(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        request = _request("revoke_payment" if asked.payment_id else "revoke", person, asked)
        if not self._two_people:
            return self._adjusted(request, "revoked")
        refuse_what_changes_nothing(self._operator, request)
        wanted = {
            "id": hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:32],
            "userId": request.user_id,
            "paymentId": request.payment_id,
            "reason": request.reason,
            "ticket": request.ticket,
            "requestedBy": person.email,
        }
        self._operator.post(ENTITLEMENTS_SERVICE, WAITING, wanted)
        return ActionOutcome("waits")

    def _undo(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        if not asked.payment_id:
            raise ActionRefused("Say of which payment the revoke is to be taken back.", "payment")
        return self._adjusted(_request("undo_revoke_payment", person, asked), "undone")

    def _approve(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        row = self._waiting(asked)
        if person.is_same_as(str(row["requestedBy"])):
            raise ActionRefused("You asked for this revoke yourself: another approver has to approve it.")
        refuse_what_changes_nothing(self._operator, _agreed(row, person.email))
        agreed = self._decided(row, "approve", person)
        return self._adjusted(_agreed(agreed, str(agreed["approvedBy"])), "approved")

    def _withdraw(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        self._decided(self._waiting(asked), "withdraw", person)
        return ActionOutcome("withdrawn")

    def _waiting(self, asked: ActionForm) -> dict[str, Any]:
        told = self._operator.get(ENTITLEMENTS_SERVICE, WAITING, user=asked.user_id)
        rows: list[dict[str, Any]] = told["revokes"]
        found = next((row for row in rows if row["id"] == asked.waiting_id), None)
        if found is None:
            raise ActionRefused("This revoke was done or withdrawn before; nothing was changed.")
        return found

    def _decided(self, row: dict[str, Any], how: str, person: StaffMember) -> dict[str, Any]:
        try:
            told: dict[str, Any] = self._operator.post(
                ENTITLEMENTS_SERVICE, f"{WAITING}/{row['id']}/{how}", {"by": person.email}
            )
        except CallFailed as error:
            if error.status == 403:
                raise ActionRefused("You asked for this revoke yourself: another approver has to approve it.") from None
            raise
        return told

    def _adjusted(self, request: AdjustmentRequest, code: str) -> ActionOutcome:
        refuse_what_changes_nothing(self._operator, request)
        done = adjust(self._operator, request, APPLIED_SECONDS)
        if not done.appended:
            return ActionOutcome("repeated")
        return ActionOutcome(code if done.told is not None else "not-applied")


def _why(asked: ActionForm, *, required: bool) -> tuple[str, str]:
    """Reason and ticket, each in one line. Raises ActionRefused for an unusable or a missing one."""
    reason, ticket = _one_line(asked.reason), _one_line(asked.ticket)
    if len(reason) < SHORTEST_REASON and (reason or required):
        raise ActionRefused(f"Give a reason of at least {SHORTEST_REASON} characters.", "reason")
    if len(reason) > LONGEST_REASON:
        raise ActionRefused(f"The reason may have {LONGEST_REASON} characters at most.", "reason")
    if len(ticket) > LONGEST_TICKET or (required and not ticket):
        raise ActionRefused(f"Give the ticket, in {LONGEST_TICKET} characters at most.", "ticket")
    for name, text in (("reason", reason), ("ticket", ticket)):
        if EMAIL.search(text):
            raise ActionRefused("Leave e-mail addresses out: what is written here is kept for ever.", name)
    return reason, ticket


def _request(action: str, person: StaffMember, asked: ActionForm) -> AdjustmentRequest:
    """The adjustment that the form asks for. Raises ActionRefused for a reason or a ticket that doesn't do."""
    reason, ticket = _why(asked, required=True)
    key = hashlib.sha256("\n".join((asked.action, person.email, asked.key or uuid.uuid4().hex)).encode()).hexdigest()
    try:
        return AdjustmentRequest(
            user_id=asked.user_id,
            action=action,
            payment_id=asked.payment_id,
            reason=reason,
            ticket=ticket,
            operator=person.email,
            idempotency_key=f"desk-{key[:40]}",
        )
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
        raise ActionRefused("This can't be recorded as it is: use printable text.", field) from None


def _agreed(row: dict[str, Any], approver: str) -> AdjustmentRequest:
    """The adjustment that a waiting revoke becomes, the same one however often it is approved."""
    return AdjustmentRequest(
        user_id=row["userId"],
        action="revoke_payment" if row["paymentId"] else "revoke",
        payment_id=row["paymentId"],
        reason=row["reason"],
        ticket=row["ticket"],
        operator=row["requestedBy"],
        approved_by=approver,
        idempotency_key=f"{WAITING_PREFIX}{row['id']}",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_command(remedy: str) -> str:
    """A remedy for a page: without the command that does it at a terminal."""
    return remedy.partition(" (")[0].rstrip(".") + "." if remedy else ""
