"""The table of callers: for each service its internal and operator routes, and which services may call each.

It is the only such table, and nobody may call a route that isn't in it. :mod:`atlas_kit.http.doors` enforces it before
anything of a request's body is read. Under ``/internal`` the token's subject is the user for whom a service asks; where
the path names a user as well (:data:`FORGET`), the handler compares the two. Only a question about many users
(:data:`MANY_ENTITLEMENTS`) names them in its body, and takes no token but that of the service itself.

Our own issuers are in it by name. Every further service has the role :data:`READER` once it is admitted by
configuration: its public key is in ``INTERNAL_TRUSTED_KEYS`` and its name in ``INTERNAL_READERS``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, INGEST_SERVICE
from atlas_contracts.issuers import APP, OPERATOR
from atlas_contracts.many_reads import MANY_ENTITLEMENTS
from atlas_contracts.read_api import READ_MANY, READ_ONE
from atlas_contracts.request_counts import REQUEST_COUNTS

Route = tuple[str, str]
"""A route: its method, and its path as declared (with ``{parameters}``)."""

FORGET = "/internal/v1/users/{user:path}/forget"
"""At checkout everywhere, at entitlements and webhook-ingest their own part. A user id may hold a slash, so it is the
whole rest."""

ENTITLEMENT = "/internal/entitlement"

_APP = frozenset({APP})
ISSUERS = frozenset({GATEWAY_SERVICE, CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE, OPERATOR, APP})
"""Who may stand in the table by name. None of these can be admitted as a reader."""
READER = "reader"
"""The role of a further service, whose token is about itself: its subject is its own name."""

_GATEWAY, _CHECKOUT = frozenset({GATEWAY_SERVICE}), frozenset({CHECKOUT_SERVICE})
_ENTITLEMENTS, _OPERATOR = frozenset({ENTITLEMENTS_SERVICE}), frozenset({OPERATOR})
_INGEST, _READER = frozenset({INGEST_SERVICE}), frozenset({READER})
_OPERATOR_OR_INGEST = _OPERATOR | _INGEST

MAY_CALL: Mapping[str, Mapping[Route, frozenset[str]]] = {
    GATEWAY_SERVICE: {},
    CHECKOUT_SERVICE: {
        ("POST", "/internal/checkout-sessions"): _GATEWAY,
        ("POST", "/internal/portal-sessions"): _GATEWAY,
        ("GET", "/internal/billing-profile"): _GATEWAY,
        ("GET", "/internal/price"): _GATEWAY,
        ("POST", "/internal/restore"): _GATEWAY,
        ("POST", "/internal/confirm"): _GATEWAY,
        ("POST", REQUEST_COUNTS): _GATEWAY,
        ("POST", "/internal/charges/{charge_id}/resolve"): _ENTITLEMENTS,
        ("POST", FORGET): _APP,
        ("GET", "/operator/provider-state"): _OPERATOR,
        ("GET", "/operator/whose"): _OPERATOR,
        ("POST", "/operator/sweep"): _OPERATOR_OR_INGEST,
        ("POST", "/operator/import-purchases"): _OPERATOR,
        ("POST", "/operator/backfill"): _OPERATOR,
        ("POST", "/operator/find-buyers"): _OPERATOR,
        ("POST", "/operator/read-payments"): _OPERATOR,
        ("POST", "/operator/forget"): _OPERATOR,
        ("GET", "/operator/kept"): _OPERATOR,
    },
    ENTITLEMENTS_SERVICE: {
        ("GET", ENTITLEMENT): _GATEWAY | _CHECKOUT | _OPERATOR,
        ("POST", MANY_ENTITLEMENTS): _GATEWAY,
        ("GET", "/internal/overview"): _GATEWAY | _CHECKOUT,
        ("GET", "/internal/customers"): _CHECKOUT,
        ("POST", "/internal/payment-verdicts"): _CHECKOUT,
        ("POST", "/internal/applied"): _CHECKOUT | _INGEST,
        ("POST", "/internal/news"): _CHECKOUT | _INGEST,
        ("POST", "/internal/told-again"): _INGEST,
        ("POST", FORGET): _CHECKOUT,
        ("GET", READ_ONE): _READER,
        ("POST", READ_MANY): _READER,
        ("GET", "/operator/explain"): _OPERATOR,
        ("GET", "/operator/find"): _OPERATOR,
        ("GET", "/operator/reviews"): _OPERATOR,
        ("GET", "/operator/holders"): _OPERATOR,
        ("GET", "/operator/payments"): _OPERATOR_OR_INGEST,
        ("GET", "/operator/state"): _OPERATOR,
        ("GET", "/operator/support"): _OPERATOR,
        ("POST", "/operator/audits"): _OPERATOR,
        ("GET", "/operator/waiting-revokes"): _OPERATOR,
        ("POST", "/operator/waiting-revokes"): _OPERATOR,
        ("POST", "/operator/waiting-revokes/{waiting_id}/approve"): _OPERATOR,
        ("POST", "/operator/waiting-revokes/{waiting_id}/withdraw"): _OPERATOR,
        ("POST", "/operator/rebuild"): _OPERATOR,
        ("GET", "/operator/states"): _OPERATOR,
        ("POST", "/operator/republish"): _OPERATOR,
        ("POST", "/operator/forget"): _OPERATOR,
        ("GET", "/operator/kept"): _OPERATOR,
    },
    INGEST_SERVICE: {
        ("POST", FORGET): _CHECKOUT,
        ("GET", "/operator/kept"): _OPERATOR,
        ("POST", "/operator/pull"): _OPERATOR,
        ("GET", "/operator/pull"): _OPERATOR,
        ("GET", "/operator/webhook-shares"): _OPERATOR,
        ("POST", "/operator/adjustments"): _OPERATOR,
        ("POST", "/operator/import-grants"): _OPERATOR,
        ("GET", "/operator/parked"): _OPERATOR,
        ("GET", "/operator/parked/{parked_id}"): _OPERATOR,
        ("POST", "/operator/parked/{parked_id}/redrive"): _OPERATOR,
        ("POST", "/operator/parked/{parked_id}/dismiss"): _OPERATOR,
    },
}


def forget_path(user_id: str) -> str:
    """:data:`FORGET` for this user. Dots are written out as well: an id of dots alone would be a step in the path."""
    return FORGET.replace("{user:path}", quote(user_id, safe="").replace(".", "%2E"))


def role_of(issuer: str, readers: Collection[str]) -> str | None:
    """As whom ``issuer`` stands in the table: an issuer of ours by its name, one of ``readers`` as READER, else None.

    Somebody who is merely called ``reader`` is none.
    """
    if issuer in ISSUERS:
        return issuer
    return READER if issuer in readers else None
