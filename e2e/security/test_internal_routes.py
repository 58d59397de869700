"""Every internal and operator's route of a real stack against whatever its shape allows and forbids, with a good token.

A bad token is refused before anything is read (tests/integration); here the caller is in, and its input is hostile: no
5xx, and nobody becomes Pro by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis

from atlas_contracts.internal_api import (
    CHECKOUT_SERVICE,
    ENTITLEMENTS_SERVICE,
    GATEWAY_SERVICE,
    INGEST_SERVICE,
    AppliedRequest,
    BackfillRequest,
    CheckoutSessionRequest,
    ForgetRequest,
    NewsRequest,
    PullRequest,
    SweepRequest,
    ToldAgain,
    VerdictsRequest,
)
from atlas_contracts.issuers import APP, OPERATOR
from atlas_contracts.many_reads import MANY_ENTITLEMENTS, EntitlementsRequest
from atlas_contracts.moving_in import ImportGrantsRequest, ImportPurchasesRequest
from atlas_contracts.parked import DismissRequest
from atlas_contracts.read_api import EntitlementQuery
from atlas_contracts.republishing import RepublishRequest
from atlas_contracts.request_counts import CountRequest
from atlas_contracts.support import AuditDone, BuyersWanted, DecidedBy, ReadPaymentsRequest, RevokeWanted
from atlas_kit.http.identity import TokenMint
from atlas_localstack.stack.plan import READER
from support.buyer import Buyer
from support.identity import mint_of_stack
from support.routes import HEALTH, routes_of
from support.schemathesis import LONG, bombard
from support.stack import Stack

EXAMPLES = 400 if LONG else 5
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
RESTORE = {"type": "object", "properties": {"trigger": TEXT}, "required": ["trigger"]}
CONFIRM = {"type": "object", "properties": {"checkoutSessionId": TEXT}, "required": ["checkoutSessionId"]}
REBUILD = {"type": "object", "properties": {"verify": {"type": "boolean"}}}
ADJUSTMENT = {  # revoke only: what is granted by a good operator's token is granted
    "type": "object",
    "properties": {"userId": TEXT, "action": {"const": "revoke"}, "reason": TEXT, "idempotencyKey": TEXT},
    "required": ["userId", "action", "reason", "idempotencyKey"],
}
ROUTES: list[tuple[str, str, str, str, dict[str, Any], Any]] = [
    # service, issuer, method, path, query, body
    (ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, "get", "/internal/entitlement", {"userId": TEXT}, None),
    (ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, "post", MANY_ENTITLEMENTS, {}, EntitlementsRequest),
    (ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, "get", "/internal/overview", {}, None),
    (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, "post", "/internal/applied", {}, AppliedRequest),
    (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, "get", "/internal/customers", {}, None),
    (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, "post", "/internal/payment-verdicts", {}, VerdictsRequest),
    (ENTITLEMENTS_SERVICE, INGEST_SERVICE, "post", "/internal/told-again", {}, ToldAgain),
    (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, "post", "/internal/news", {}, NewsRequest),
    (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, "post", "/internal/v1/users/{id}/forget", {}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/explain", {"user": TEXT}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/find", {"id": TEXT}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/reviews", {}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/holders", {"user": TEXT}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/payments", {"after": TEXT}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/state", {}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/support", {}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/audits", {}, AuditDone),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/waiting-revokes", {"user": TEXT}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/waiting-revokes", {}, RevokeWanted),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/waiting-revokes/{id}/approve", {}, DecidedBy),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/waiting-revokes/{id}/withdraw", {}, DecidedBy),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/forget", {}, ForgetRequest),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/rebuild", {}, REBUILD),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/states", {}, None),
    (ENTITLEMENTS_SERVICE, OPERATOR, "post", "/operator/republish", {}, RepublishRequest),
    (ENTITLEMENTS_SERVICE, OPERATOR, "get", "/operator/kept", {"user": TEXT, "after": TEXT}, None),
    (CHECKOUT_SERVICE, OPERATOR, "get", "/operator/kept", {"user": TEXT}, None),
    (INGEST_SERVICE, OPERATOR, "get", "/operator/kept", {"user": TEXT}, None),
    (INGEST_SERVICE, CHECKOUT_SERVICE, "post", "/internal/v1/users/{id}/forget", {}, None),
    (ENTITLEMENTS_SERVICE, READER, "get", "/v1/entitlements/{id}", {}, None),
    (ENTITLEMENTS_SERVICE, READER, "post", "/v1/entitlements/query", {}, EntitlementQuery),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "post", "/internal/checkout-sessions", {}, CheckoutSessionRequest),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "post", "/internal/portal-sessions", {}, None),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "get", "/internal/billing-profile", {}, None),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "get", "/internal/price", {}, None),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "post", "/internal/restore", {}, RESTORE),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "post", "/internal/confirm", {}, CONFIRM),
    (CHECKOUT_SERVICE, GATEWAY_SERVICE, "post", "/internal/request-counts", {}, CountRequest),
    (CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, "post", "/internal/charges/{id}/resolve", {}, None),
    (CHECKOUT_SERVICE, APP, "post", "/internal/v1/users/{id}/forget", {"even_if_paying": TEXT}, None),
    (CHECKOUT_SERVICE, OPERATOR, "get", "/operator/provider-state", {"user": TEXT, "days": NUMBER}, None),
    (CHECKOUT_SERVICE, OPERATOR, "get", "/operator/whose", {"id": TEXT}, None),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/find-buyers", {}, BuyersWanted),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/read-payments", {}, ReadPaymentsRequest),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/sweep", {}, SweepRequest),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/forget", {}, ForgetRequest),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/backfill", {}, BackfillRequest),
    (CHECKOUT_SERVICE, OPERATOR, "post", "/operator/import-purchases", {}, ImportPurchasesRequest),
    (INGEST_SERVICE, OPERATOR, "post", "/operator/import-grants", {}, ImportGrantsRequest),
    (INGEST_SERVICE, OPERATOR, "post", "/operator/pull", {}, PullRequest),
    (INGEST_SERVICE, OPERATOR, "get", "/operator/pull", {}, None),
    (INGEST_SERVICE, OPERATOR, "get", "/operator/webhook-shares", {}, None),
    (INGEST_SERVICE, OPERATOR, "post", "/operator/adjustments", {}, ADJUSTMENT),
    (INGEST_SERVICE, OPERATOR, "get", "/operator/parked", {}, None),
    (INGEST_SERVICE, OPERATOR, "get", "/operator/parked/{id}", {}, None),
    (INGEST_SERVICE, OPERATOR, "post", "/operator/parked/{id}/redrive", {}, None),
    (INGEST_SERVICE, OPERATOR, "post", "/operator/parked/{id}/dismiss", {}, DismissRequest),
]
HOSTILE_TEXTS = {
    "nothing": "",
    "U+0000": "a\0b",
    "quotes": "'; DROP TABLE ledger; --",
    "line breaks": "a\r\nx-injected: yes",
    "superscript digits": "²",
    "other digits": "٣",
    "a 5,000-digit number": "9" * 5000,
    "beyond 64 bits": "9223372036854775808",
    "emoji": "\U0001f600",
    "a path": "../../etc/passwd",
    "very long": "x" * 20_000,
}


@pytest.fixture(scope="module")
def mints(stack: Stack) -> dict[str, TokenMint]:
    """The keys to all doors, as somebody who had broken into every service would hold them."""
    issuers = (GATEWAY_SERVICE, CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE, OPERATOR, APP, READER)
    return {issuer: mint_of_stack(stack.home, issuer) for issuer in issuers}


@pytest.fixture(scope="module")
def victim(stack: Stack) -> Iterator[Buyer]:
    """Somebody who has bought nothing, and in whose name much is tried."""
    somebody = Buyer(stack)
    yield somebody
    somebody.browser.close()


def _document(method: str, path: str, query: dict[str, Any], body: Any) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    if "{id}" in path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": TEXT})
    operation: dict[str, Any] = {"parameters": parameters, "responses": {"200": {"description": "OK"}}}
    if body is not None:
        schema = body if isinstance(body, dict) else body.model_json_schema(by_alias=True)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"openapi": "3.1.0", "info": {"title": "internal", "version": "1"}, "paths": {path: {method: operation}}}


def _headers(mints: dict[str, TokenMint], service: str, issuer: str, user: str, path: str = "") -> dict[str, str]:
    subject = issuer if issuer in (OPERATOR, APP, READER) or path == MANY_ENTITLEMENTS else user
    return {"authorization": f"Bearer {mints[issuer].token(service, subject)}"}


def test_no_route_inside_is_forgotten() -> None:
    for service, package in (
        (CHECKOUT_SERVICE, "checkout"),
        (ENTITLEMENTS_SERVICE, "entitlements"),
        (INGEST_SERVICE, "webhook_ingest"),
    ):
        tried = {(method.upper(), path) for name, _, method, path, _, _ in ROUTES if name == service}
        there = {(method, re.sub(r"{[\w:]+}", "{id}", path)) for method, path in routes_of(package) - HEALTH}
        assert tried == there


@pytest.mark.timeout(1800 if LONG else 180)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[2]} {route[3]}")
def test_no_input_makes_a_5xx_or_anybody_pro(
    stack: Stack, mints: dict[str, TokenMint], victim: Buyer, route: tuple[str, str, str, str, dict[str, Any], Any]
) -> None:
    service, issuer, method, path, query, body = route
    [operation] = [
        found.ok()
        for found in schemathesis.openapi.from_dict(_document(method, path, query, body)).get_all_operations()
    ]
    headers = _headers(mints, service, issuer, victim.user, path)
    examples = 2 if path.endswith(("/rebuild", "/republish")) else EXAMPLES  # each starts a process
    bombard(operation, stack.url(service), lambda: headers, examples=examples, checks=("not_a_server_error",))
    assert not victim.is_pro()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[2]} {route[3]}")
def test_hostile_text_in_every_place_is_survived(
    stack: Stack, mints: dict[str, TokenMint], victim: Buyer, route: tuple[str, str, str, str, dict[str, Any], Any]
) -> None:
    service, issuer, method, path, query, body = route
    properties = (
        (body if isinstance(body, dict) else body.model_json_schema(by_alias=True))["properties"] if body else {}
    )
    failures = []
    with httpx.Client(base_url=stack.url(service), timeout=30) as client:
        for what, text in HOSTILE_TEXTS.items():
            sent = {name: _put(schema, text) for name, schema in properties.items()}
            if what != "nothing" and not (query or "{id}" in path or text in str(sent)):
                continue  # it has no place for text
            answer = client.request(
                method,
                path.replace("{id}", quote(text[:5000], safe="") or "-"),
                params={name: _put(schema, text[:5000]) for name, schema in query.items()},
                json=sent if body else None,
                headers=_headers(mints, service, issuer, victim.user, path),
            )
            assert "x-injected" not in answer.headers
            if answer.status_code >= 500 or b'"internal_error"' in answer.content:
                failures.append(f"{what}: {answer.status_code} {answer.text[:200]}")
    assert failures == []


def test_a_user_id_that_no_session_holds_is_nobody(stack: Stack, mints: dict[str, TokenMint]) -> None:
    for service, issuer, method, path, _query, _body in ROUTES:
        if path.startswith("/internal") and "{id}" not in path and path != "/internal/applied":
            for odd in ("a\0b", "x" * 5000):
                answer = httpx.request(
                    method, stack.url(service) + path, headers=_headers(mints, service, issuer, odd), timeout=30
                )
                assert answer.status_code < 500, (service, path, odd[:5], answer.text)


def _put(schema: dict[str, Any], text: str) -> Any:
    """The text where text belongs, else something of the right kind."""
    kinds = {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", []))}
    if "const" in schema:
        return schema["const"]
    if "array" in kinds:
        return [text]
    if "boolean" in kinds:
        return True
    if "integer" in kinds:
        return 1
    return text
