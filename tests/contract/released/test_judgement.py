"""Who can meet a document, what is open, and what changes of routes, channels and callers break."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from support.compatibility import releases
from support.compatibility.differences import BOTH, NOBODY, READERS, WRITERS
from support.compatibility.judgement import OUTLINE, breaking, differences
from support.compatibility.shapes import Schema

GATEWAY, CHANNELS, CALLERS = "account-gateway.openapi.json", "asyncapi.json", "callers.json"
INTERNAL, PUBLIC = "schemas/internal_api.json", "schemas/public_api.json"
REFUND, UPDATED = "schemas/billing.v1.refund_issued.json", "schemas/entitlements.v1.entitlement_updated.json"
RESTORE, CHECKOUT = "/api/pro/restore", "/api/billing/stripe/checkout"
TEXT = {"type": "string"}


def model(path: str, name: str) -> Callable[[Schema], Schema]:
    return lambda all_of_them: all_of_them[path]["$defs"][name]


def field(path: str, name: str, of: str) -> Callable[[Schema], Schema]:
    return lambda all_of_them: all_of_them[path]["$defs"][name]["properties"][of]


def component(name: str) -> Callable[[Schema], Schema]:
    return lambda all_of_them: all_of_them[GATEWAY]["components"]["schemas"][name]


def route(path: str, method: str, *steps: str) -> Callable[[Schema], Schema]:
    def found(all_of_them: Schema) -> Schema:
        place = all_of_them[GATEWAY]["paths"][path][method]
        for step in steps:
            place = place[step]
        return place

    return found


def part(path: str, *steps: str) -> Callable[[Schema], Schema]:
    def found(all_of_them: Schema) -> Schema:
        place = all_of_them[path]
        for step in steps:
            place = place[step]
        return place

    return found


def optional(schema: Schema) -> None:
    schema["properties"]["novelty"] = TEXT


def required(schema: Schema) -> None:
    schema["properties"]["novelty"] = TEXT
    schema["required"].append("novelty")


def gone(name: str) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        del schema["properties"][name]
        schema["required"].remove(name)

    return change


HEADERS = part(CHANNELS, "components", "messages", "billing_v1_refund_issued", "headers")
MESSAGE = part(CHANNELS, "components", "messages", "billing_v1_refund_issued")
TABLE = [  # what changes, where, how, the kinds of what is told with whom each breaks
    ("an answer of the public API gets a field", model(PUBLIC, "BillingOverview"), required, {("required field added", NOBODY)}),
    ("an answer of the public API loses a field", model(PUBLIC, "BillingOverview"), gone("payment"), {("field removed", READERS)}),
    ("an answer of an internal route gets a field without default", model(INTERNAL, "Whose"), required, {("required field added", WRITERS)}),
    ("an answer of an internal route gets a field with a default", model(INTERNAL, "Whose"), optional, set()),
    ("a request gets an optional field", model(INTERNAL, "SweepRequest"), optional, set()),
    ("a request gets a required field", model(INTERNAL, "AdjustmentRequest"), required, {("required field added", WRITERS)}),
    ("a request's action gets a value", lambda d: d[INTERNAL]["$defs"]["AdjustmentRequest"]["properties"]["action"]["enum"], lambda e: e.append("novelty"), {("values added", NOBODY)}),
    ("a request's action loses a value", lambda d: d[INTERNAL]["$defs"]["AdjustmentRequest"]["properties"]["action"]["enum"], lambda e: e.pop(), {("values removed", WRITERS)}),
    ("a model is removed", part(INTERNAL, "$defs"), lambda d: d.pop("Whose"), {("model removed", BOTH)}),
    ("a model is new", part(INTERNAL, "$defs"), lambda d: d.__setitem__("Novelty", {"type": "object"}), set()),
    ("a code of errors is new", lambda d: d[PUBLIC]["$defs"]["ErrorCode"]["enum"], lambda e: e.append("novelty"), {("values added", READERS)}),
    ("the type of an event goes", lambda d: d, lambda d: d.pop(REFUND), {("document removed", READERS)}),
    ("the type of an event is new", lambda d: d, lambda d: d.__setitem__("schemas/billing.v1.novelty.json", d[REFUND]), set()),
    # Open: via, reason, because.
    ("via gets a value", lambda d: d[REFUND]["$defs"]["Via"]["enum"], lambda e: e.append("import"), {("values added", NOBODY)}),
    ("via loses a value", lambda d: d[REFUND]["$defs"]["Via"]["enum"], lambda e: e.pop(), {("values removed", WRITERS)}),
    ("via becomes any text", lambda d: d[REFUND]["$defs"]["BillingData"]["properties"], lambda p: p.__setitem__("via", TEXT), {("list of values given up", NOBODY)}),
    ("reason gets a value", lambda d: d[PUBLIC]["$defs"]["RestoreResult"]["properties"]["reason"]["anyOf"][0]["enum"], lambda e: e.append("novelty"), {("values added", NOBODY)}),
    ("reason becomes a list of values", field(UPDATED, "EntitlementData", "reason"), lambda s: s.update(enum=["purchase"]), {("closed to a list of values", WRITERS)}),
    ("reason may be null", lambda d: d[UPDATED]["$defs"]["EntitlementData"]["properties"], lambda p: p.__setitem__("reason", {"anyOf": [TEXT, {"type": "null"}]}), {("may be null now", READERS)}),
    ("because becomes a list of values", field(INTERNAL, "PaymentVerdictView", "because"), lambda s: s.update(enum=["paid"]), {("closed to a list of values", WRITERS)}),
    ("status, which is closed, gets a value", lambda d: d[UPDATED]["$defs"]["EntitlementData"]["properties"]["status"]["enum"], lambda e: e.append("paused"), {("values added", READERS)}),
    # The public API's routes.
    ("a route is removed", part(GATEWAY, "paths"), lambda p: p.pop(RESTORE), {("route removed", WRITERS)}),
    ("a method is removed", part(GATEWAY, "paths", CHECKOUT), lambda p: p.pop("get"), {("route removed", WRITERS)}),
    ("a route is new", part(GATEWAY, "paths"), lambda p: p.__setitem__("/api/novelty", p[RESTORE]), set()),
    ("an answer's status changes", route(RESTORE, "post", "responses"), lambda r: r.__setitem__("201", r.pop("200")), {("answer removed", READERS), ("answer added", READERS)}),
    ("a further error is possible", route(RESTORE, "post", "responses"), lambda r: r.__setitem__("409", r["400"]), set()),
    ("an error doesn't happen any more", route(RESTORE, "post", "responses"), lambda r: r.pop("413"), set()),
    ("a body's form goes", route(RESTORE, "post", "requestBody", "content"), lambda c: c.__setitem__("text/plain", c.pop("application/json")), {("content type removed", WRITERS)}),
    ("an answer's form goes", route(RESTORE, "post", "responses", "200", "content"), lambda c: c.__setitem__("text/plain", c.pop("application/json")), {("content type removed", READERS)}),
    ("a body is asked for", route("/api/pro/entitlement", "get"), lambda o: o.__setitem__("requestBody", {"required": True, "content": {}}), {("required field added", WRITERS)}),
    ("a body isn't read any more", route(RESTORE, "post"), lambda o: o.pop("requestBody"), {("body removed", WRITERS)}),
    ("a required parameter is new", route(RESTORE, "post"), lambda o: o.__setitem__("parameters", [{"in": "query", "name": "why", "required": True, "schema": TEXT}]), {("required field added", WRITERS)}),
    ("an optional parameter is new", route(RESTORE, "post"), lambda o: o.__setitem__("parameters", [{"in": "query", "name": "why", "schema": TEXT}]), set()),
    ("one way to sign in goes", route(RESTORE, "post", "security"), lambda s: s.pop(), {("sign-in tightened", WRITERS)}),
    ("one way to sign in is new", route(RESTORE, "post", "security"), lambda s: s.append({"key": []}), set()),
    ("a route asks for a session that asked for none", route("/api/health", "get"), lambda o: o.__setitem__("security", [{"sessionCookie": []}]), {("sign-in tightened", WRITERS)}),
    ("a generated client's function gets another name", route(RESTORE, "post"), lambda o: o.__setitem__("operationId", "novelty"), {("name changed", WRITERS)}),
    ("a body's field is tightened", route(RESTORE, "post", "requestBody", "content", "application/json", "schema"), lambda s: s["properties"]["trigger"].update(const="page"), {("values removed", WRITERS), ("values added", NOBODY)}),
    ("an answer's field is gone", component("Entitlement"), gone("isPro"), {("field removed", READERS)}),
    ("an answer's field may be null", component("Entitlement"), lambda s: s["properties"].__setitem__("isPro", {"type": ["boolean", "null"]}), {("may be null now", READERS)}),
    # Channels.
    ("a channel is removed", part(CHANNELS, "channels"), lambda c: c.pop("billing_v1_refund_issued"), {("channel removed", READERS)}),
    ("a channel gets another address", part(CHANNELS, "channels", "billing_v1_refund_issued"), lambda c: c.__setitem__("address", "billing.v2.refund_issued"), {("channel removed", READERS)}),
    ("nobody publishes on a channel any more", part(CHANNELS, "operations"), lambda o: o.pop("publish_billing_v1_refund_issued"), {("channel removed", READERS)}),
    ("a channel is new", part(CHANNELS, "channels"), lambda c: c.__setitem__("novelty", c["billing_v1_refund_issued"] | {"address": "billing.v1.novelty"}), set()),
    ("a message is removed", part(CHANNELS, "channels", "billing_v1_refund_issued", "messages"), dict.clear, {("message removed", READERS)}),
    ("a header is removed", HEADERS, gone("Nats-Msg-Id"), {("field removed", BOTH)}),
    ("a header is required", HEADERS, lambda h: h["required"].append("traceparent"), {("became required", WRITERS)}),
    ("a header is new", HEADERS, optional, set()),
    ("events are sent in another form", MESSAGE, lambda m: m.__setitem__("contentType", "application/avro"), {("content type removed", READERS)}),
    # Who may call what.
    ("an internal route is removed", part(CALLERS, "checkout"), lambda c: c.pop("POST /internal/restore"), {("route removed", WRITERS)}),
    ("an internal route is new", part(CALLERS, "checkout"), lambda c: c.__setitem__("POST /internal/novelty", ["account-gateway"]), set()),
    ("a caller is removed", part(CALLERS, "entitlements", "GET /internal/entitlement"), lambda c: c.remove("checkout"), {("caller removed", WRITERS)}),
    ("a caller is new", part(CALLERS, "entitlements", "GET /internal/entitlement"), lambda c: c.append("atlas-reader"), set()),
]  # fmt: skip


@pytest.fixture(scope="module")
def released() -> releases.Documents:
    """The first release, so that the table's places stay, whatever becomes of today's models."""
    return releases.load("1.0.0").documents


@pytest.mark.parametrize(("place", "change", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_breaks_those_who_can_meet_it(released, place, change, expected) -> None:
    today = copy.deepcopy(dict(released))
    change(place(today))
    found = differences(released, today)
    assert {(one.kind, one.breaks) for one in found} == expected, found
    for one in breaking(found):
        assert one.told().startswith(f"{one.document}: ") and "Breaks " in one.told()


def test_a_model_may_move_to_another_document(released) -> None:
    today = copy.deepcopy(dict(released))
    today["schemas/support_api.json"] = {"$defs": {"Whose": today[INTERNAL]["$defs"].pop("Whose")}}
    assert differences(released, today) == []
    del today["schemas/support_api.json"]["$defs"]["Whose"]["properties"]["known"]
    assert [(one.path, one.kind) for one in differences(released, today)] == [("Whose.known", "field removed")]


@pytest.mark.parametrize(
    ("name", "forgiven"), [("planType", False), ("provider", False), ("refund", True)]
)
def test_a_newer_schema_version_excuses_what_readers_set_aside_and_never_the_outline(released, name, forgiven) -> None:
    today = copy.deepcopy(dict(released))
    where = "RefundFacts" if name == "refund" else "BillingData"
    properties = today[REFUND]["$defs"][where]["properties"]
    properties["amount" if name == "refund" else name] = {"type": ["integer", "string", "object"]}
    assert breaking(differences(released, today))
    assert bool(breaking(differences(released, today, newer_schema_version=True))) != forgiven


def test_no_schema_version_excuses_what_today_s_code_can_not_read(released) -> None:
    today = copy.deepcopy(dict(released))
    today[REFUND]["$defs"]["RefundFacts"]["required"].append("currency")
    [one] = breaking(differences(released, today, newer_schema_version=True))
    assert (one.path, one.kind, one.breaks) == ("data.refund.currency", "became required", WRITERS)


def test_the_outline_is_what_the_contracts_call_so() -> None:
    from atlas_contracts.billing import BillingOutline
    from atlas_contracts.model import to_camel

    assert {to_camel(name) for name in BillingOutline.model_fields} - {"via"} == OUTLINE
