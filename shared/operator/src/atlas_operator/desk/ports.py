"""What the desk's pages ask, and what they are told. The pages know nothing of services, tokens or Stripe.

All functions block: pages call them from plain ``def`` routes, which FastAPI runs in threads. Each raises
:class:`DeskUnavailable` where a service it needs does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from atlas_operator.desk.person import Action, StaffMember, Visit

Row = Mapping[str, Any]


class DeskUnavailable(Exception):
    """Something that the desk asks does not answer now; the message is a sentence for the person, without details."""


class ActionRefused(Exception):
    """What was asked for can't be done; nothing was changed. The message is a sentence for the person.

    ``field`` is the form's field that is wrong (``reason``, ``ticket`` …); empty where it is about no field.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class FoundBuyers:
    """Whose a search was. ``said`` is empty where the page of the one user in ``users`` should open at once; else it is
    a sentence to be shown above links to the users. It never repeats an e-mail.
    """

    users: tuple[str, ...] = ()
    said: str = ""
    parked: tuple[Row, ...] = ()
    """Parked events with that id, where it is nobody's."""
    nothing_known: bool = False
    """Nothing at all is known of the user in ``users``."""


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What an action came to. ``message`` is a sentence; ``code`` names it for a redirect (:data:`MESSAGES`)."""

    code: str
    message: str = ""


MESSAGES: Mapping[str, str] = {
    "read-restored": "This buyer's payments were read at Stripe, and make them Pro.",
    "read-active": "This buyer's payments were read at Stripe. They are Pro, as they were before.",
    "read-refused": "This buyer's payments were read at Stripe. None makes them Pro; the reasons stand below.",
    "read-none": "Stripe knows no completed payment of this buyer.",
    "redriven": "The event was sent again.",
    "granted": "Granted: this buyer is Pro by your word.",
    "revoked": "Revoked.",
    "undone": "The revoke was taken back.",
    "waits": "The revoke waits for another approver.",
    "approved": "Approved: the revoke is done.",
    "withdrawn": "The waiting revoke was withdrawn.",
    "repeated": "This was done before; nothing was changed.",
    "not-applied": "Recorded, and not applied yet: look again in a moment.",
}
"""The sentence for each code of an outcome: ``/buyer?user=…&done=<code>`` shows it above the page. A code that is not
here shows nothing, so that no link can put words onto the page."""


@dataclass(frozen=True, slots=True)
class Today:
    """What wants a person today. Every row has ``userId`` (a string, or None where it is nobody's)."""

    parked: tuple[Row, ...] = ()
    """``id``, ``reason``, ``detail``, ``subject``, ``eventId``, ``at``, ``userId``."""
    refused: tuple[Row, ...] = ()
    """Paid and may not grant: ``userId``, ``reason``, ``checkoutSessionId``, ``paymentIntentId``, ``chargeId``."""
    second_payments: tuple[Row, ...] = ()
    """Grants beside an earlier payment of the same buyer: as ``refused`` has them, with ``since``."""
    fraud_warnings: tuple[Row, ...] = ()
    """``userId``, ``at``, ``id``, ``fraudType``, ``actionable``, and the payment's ids."""
    waiting_revokes: tuple[Row, ...] = ()
    """See :meth:`Desk.buyer`."""
    findings: tuple[Row, ...] = ()
    """The doctor's warnings and errors: ``area``, ``level`` (warning, error), ``what``, ``remedy``."""
    looked_at: str | None = None
    """When the doctor looked (ISO 8601, UTC); None while the first look is under way."""
    pull: Row = field(default_factory=dict)
    """The last pull: ``ageSeconds`` (None: none yet), ``failed`` (None, or ``reason`` and ``message``)."""
    audit: Row | None = None
    """The last audit (None: none yet): ``at``, ``by``, ``users``, ``paidNotPro``, ``proNotPaid``, ``secondPayments``
    (numbers)."""
    unread: tuple[str, ...] = ()
    """Sentences about what could not be read, so that an empty list is not taken for good news."""


@dataclass(frozen=True, slots=True)
class ActionForm:
    """A form of an action as it was sent. ``key`` is random per form: sending it twice does it once."""

    action: Action
    user_id: str
    reason: str = ""
    ticket: str = ""
    payment_id: str | None = None
    """``revoke`` and ``undo``: the payment (pi_… or cs_…); None revokes the operator's grant."""
    parked_id: str | None = None
    """``redrive``."""
    waiting_id: str | None = None
    """``approve`` and ``withdraw``."""
    key: str = ""


class Desk(Protocol):
    """What the pages call."""

    def find(self, query: str) -> FoundBuyers:
        """Whose this is: a user id, any id of Stripe's, an invoice number, an e-mail (asked of Stripe, never kept)."""
        ...

    def buyer(self, user_id: str) -> dict[str, Any]:
        """What ``./atlas explain --json`` tells of one user, and beside it:

        - ``sentence``: the verdict as explain says it, without the version,
        - ``known``: whether anything at all is known of them,
        - ``parked``: their parked events (rows as in :class:`Today`),
        - ``restores``: the facts of ``requests`` about restores,
        - ``requestIds``: the ids of the requests that brought their facts, newest first,
        - ``waitingRevokes``: ``id``, ``userId``, ``paymentId``, ``reason``, ``ticket``, ``requestedBy``,
          ``requestedAt``,
        - ``unread``: sentences about what could not be read.
        """
        ...

    def today(self) -> Today:
        """What wants a person today."""
        ...

    def check(self) -> None:
        """Raises unless entitlements answers and trusts this desk's key."""
        ...

    def act(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        """Do it. Raises ActionRefused; the route has checked the person's role before, and this checks it again."""
        ...


class Pages(Protocol):
    """What the desk's routes need of the pages (``desk.pages`` implements it; see ``pages/__init__.py``)."""

    def found(self, request: Request, visit: Visit, query: str, found: FoundBuyers) -> Response:
        """The answer to a search that found nobody, or several; ``query`` is empty where it was an e-mail."""
        ...

    def buyer(
        self,
        request: Request,
        visit: Visit,
        told: Mapping[str, Any],
        *,
        asked: ActionForm | None = None,
        refused: ActionRefused | None = None,
        status: int = 200,
    ) -> Response:
        """The buyer's page; after a refused action with the form filled as it was sent, and the reason beside it."""
        ...

    def problem(self, request: Request, status: int, sentence: str) -> Response:
        """A page for 400, 401 (how to sign in), 403, 404, 500 and 503; nobody may be signed in."""
        ...
