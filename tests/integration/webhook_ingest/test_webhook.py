"""CONTRACT 3, answer by answer, over a real broker."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.ingest import PATH, Ingest, running_ingest
from support.mapping_table import ROWS
from support.stripe_events import body_of, event, purchase, session, signature, v1

ACCEPTED = {"received": True, "ignored": False, "appended": True, "dedupeReason": None}
DUPLICATE = {"received": True, "ignored": False, "appended": False, "dedupeReason": "provider_event_id"}
IGNORED = {"received": True, "ignored": True}
ONE_ROW_EACH = list({(event_type, canonical): (event_type, maker, canonical) for event_type, maker, canonical in reversed(ROWS)}.values())
"""One for each canonical type that a Stripe event may become."""
FORBIDDEN = {"ok": False, "error": {"code": "forbidden", "message": "Invalid webhook signature.", "recovery": "none"}}
INVALID = {"ok": False, "error": {"code": "invalid_request", "message": "Invalid webhook payload.", "recovery": "none"}}


def test_a_valid_event_is_stored_and_then_acknowledged(ingest: Ingest) -> None:
    bought = purchase()
    answer = ingest.deliver(bought)
    assert (answer.status, answer.json) == (200, {"ok": True, "data": ACCEPTED})
    (stored,) = ingest.stored()
    assert stored["id"] == stored["data"]["eventId"] == f"stripe:{bought['id']}:purchase_succeeded"
    assert stored["type"] == "atlas.billing.v1.purchase_succeeded"
    assert stored["specversion"] == "1.0"
    assert stored["subject"] == stored["data"]["userId"] == bought["data"]["object"]["metadata"]["userId"]
    assert stored["data"]["via"] == "webhook"
    assert stored["data"]["signatureVerified"] is True


def test_the_message_carries_its_id_the_trace_and_the_request_id(ingest: Ingest) -> None:
    bought = purchase()
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    answer = ingest.post(body_of(bought), traceparent=trace, **{"X-Request-Id": "req-of-stripe"})
    assert answer.headers["x-request-id"] == "req-of-stripe"
    ((body, headers),) = ingest.messages()
    assert headers["Nats-Msg-Id"] == f"stripe:{bought['id']}:purchase_succeeded"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["x-request-id"] == json.loads(body)["requestid"] == "req-of-stripe"
    assert headers["traceparent"].startswith("00-" + "ab" * 16)
    assert json.loads(body)["traceparent"] == headers["traceparent"]


def test_the_same_event_again_is_a_duplicate(shared_ingest: Ingest) -> None:
    bought = purchase()
    assert shared_ingest.deliver(bought).json["data"] == ACCEPTED
    again = shared_ingest.deliver(bought)
    assert (again.status, again.json) == (200, {"ok": True, "data": DUPLICATE})


def test_the_same_event_twenty_times_at_once_is_stored_once(ingest: Ingest) -> None:
    body = body_of(purchase())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ingest.post(body), range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert sorted(answer.json["data"]["appended"] for answer in answers) == [False] * 19 + [True]
    assert len(ingest.stored()) == 1


def test_many_distinct_events_at_once_are_all_stored(ingest: Ingest) -> None:
    bodies = [body_of(purchase()) for _ in range(300)]
    with ThreadPoolExecutor(48) as pool:
        answers = list(pool.map(ingest.post, bodies))
    assert all(answer.json["data"] == ACCEPTED for answer in answers)
    stored = {event["data"]["providerEventId"] for event in ingest.stored()}
    assert stored == {json.loads(body)["id"] for body in bodies}


def test_known_and_new_events_together_each_get_their_own_answer(ingest: Ingest) -> None:
    known = [body_of(purchase()) for _ in range(20)]
    for body in known:
        ingest.post(body)
    new = [body_of(purchase()) for _ in range(60)]
    mixed = [body for pair in zip(known * 3, new, strict=True) for body in pair]
    with ThreadPoolExecutor(48) as pool:
        answers = list(pool.map(ingest.post, mixed))
    appended = [answer.json["data"]["appended"] for answer in answers]
    assert appended == [False, True] * 60
    assert len(ingest.stored()) == 80


@pytest.mark.parametrize(
    "ignored",
    [
        event("invoice.paid", {"id": "in_1"}),
        event("", {"id": "x"}),
        purchase(livemode=True),
        event("checkout.session.completed", session(livemode=True)),
        purchase(account="acct_someone"),
    ],
    ids=["another type", "an empty type", "the other mode", "an object of the other mode", "another account"],
)
def test_what_is_not_ours_is_ignored(shared_ingest: Ingest, ignored: dict) -> None:
    counter = 'atlas_webhooks_total{outcome="ignored"}'
    stored, counted = len(shared_ingest.stored()), shared_ingest.metric(counter)
    answer = shared_ingest.deliver(ignored)
    assert (answer.status, answer.json) == (200, {"ok": True, "data": IGNORED})
    assert len(shared_ingest.stored()) == stored
    (line,) = [line for line in shared_ingest.logged("billing.webhook.ignored") if line["eventId"] == f"stripe:{ignored['id']}"]
    assert line["stripeType"] == ignored["type"]
    assert shared_ingest.metric(counter) == counted + 1


def test_a_live_key_takes_live_events_and_ignores_test_ones(nats_url: str) -> None:
    with running_ingest(nats_url, STRIPE_SECRET_KEY="sk_live_x", STRIPE_API_BASE="") as live:
        assert live.deliver(purchase()).json["data"] == IGNORED
        bought = event("checkout.session.completed", session(livemode=True), livemode=True)
        assert live.deliver(bought).json["data"] == ACCEPTED


BODY = body_of(purchase())

# Made when a test runs: a signature made at import would be refused for its age and prove nothing.
REFUSED_HEADERS = {
    "empty": lambda: "",
    "nonsense": lambda: "nonsense",
    "empty parts": lambda: "t=,v1=",
    "no time": lambda: "t=abc,v1=" + "0" * 64,
    "another secret": lambda: signature(BODY, "whsec_another"),
    "another body": lambda: signature(BODY + b" "),
    "another scheme": lambda: signature(BODY).replace("v1=", "v0="),
    "upper case": lambda: signature(BODY).upper(),
    "an hour old": lambda: signature(BODY, at=int(time.time()) - 3600),
    "an hour early": lambda: signature(BODY, at=int(time.time()) + 3600),
    "two times": lambda: signature(BODY) + ",t=1",
    "a hundred wrong ones": lambda: f"t={int(time.time())}," + ",".join(f"v1={n:064x}" for n in range(100)),
    "not ASCII": lambda: "v1=\xe9\xff",
    "a signature not ASCII": lambda: f"t={int(time.time())},v1=\xe9\xff" + "0" * 62,
    "a time of 5,000 digits": lambda: "t=" + "9" * 5000 + ",v1=" + "0" * 64,
    "a time of 30,000 digits": lambda: "t=" + "1" * 30_000,
}


@pytest.mark.parametrize("case", REFUSED_HEADERS)
def test_a_signature_that_does_not_hold_is_refused(shared_ingest: Ingest, case: str) -> None:
    header = REFUSED_HEADERS[case]()
    answer = shared_ingest.request("POST", PATH, BODY, {"Stripe-Signature": header.encode("latin-1")})
    assert (answer.status, answer.json) == (403, FORBIDDEN)


def test_a_missing_signature_is_refused(shared_ingest: Ingest) -> None:
    answer = shared_ingest.request("POST", PATH, BODY)
    assert (answer.status, answer.json) == (403, FORBIDDEN)


def test_a_flipped_bit_anywhere_is_refused(shared_ingest: Ingest) -> None:
    header = signature(BODY)
    for position in range(0, len(BODY), 97):
        flipped = BODY[:position] + bytes([BODY[position] ^ 1]) + BODY[position + 1 :]
        assert shared_ingest.post(flipped, header).status == 403


def test_a_reserialized_body_is_refused(shared_ingest: Ingest) -> None:
    reserialized = json.dumps(json.loads(BODY), indent=1).encode()
    assert shared_ingest.post(reserialized, signature(BODY)).status == 403


def test_an_unsigned_body_is_not_even_parsed(shared_ingest: Ingest) -> None:
    assert shared_ingest.post(b"[" * 200_000, "t=1,v1=00").status == 403


def test_both_secrets_hold_while_one_replaces_the_other(nats_url: str) -> None:
    with running_ingest(nats_url, STRIPE_WEBHOOK_SECRET="whsec_new, whsec_old") as rolling:
        for secret in ("whsec_new", "whsec_old"):
            body = body_of(purchase())
            assert rolling.post(body, signature(body, secret)).status == 200
        body = body_of(purchase())
        now = int(time.time())
        both = f"t={now},v1={v1(body, 'whsec_unknown', now)},v1={v1(body, 'whsec_old', now)}"
        assert rolling.post(body, both).status == 200
        assert rolling.post(body, signature(body, "whsec_other")).status == 403


def test_the_tolerance_is_configurable(nats_url: str) -> None:
    with running_ingest(nats_url, BILLING_WEBHOOK_TOLERANCE_SECONDS="7200") as patient:
        body = body_of(purchase())
        assert patient.post(body, signature(body, at=time.time() - 3600)).status == 200
        assert patient.post(body, signature(body, at=time.time() - 7300)).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_a_method_here(shared_ingest: Ingest, method: str) -> None:
    answer = shared_ingest.request(method, PATH)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        error = {"code": "invalid_request", "message": "Method not allowed.", "recovery": "none"}
        assert answer.json == {"ok": False, "error": error}


def test_an_unknown_path_is_not_found_in_the_envelope(shared_ingest: Ingest) -> None:
    answer = shared_ingest.request("GET", "/api/nothing")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(("event_type", "maker", "canonical"), ONE_ROW_EACH)
def test_every_supported_event_reaches_its_subject(shared_ingest: Ingest, event_type: str, maker, canonical: str) -> None:
    sent = event(event_type, maker())
    assert shared_ingest.deliver(sent).json["data"] == ACCEPTED

    async def newest(client):
        return await client.jetstream().get_last_msg("BILLING", f"billing.v1.{canonical}")

    message = shared_ingest.ask(newest)
    assert json.loads(message.data)["data"]["eventId"] == f"stripe:{sent['id']}:{canonical}"


def test_log_lines_carry_ids_and_no_payload(ingest: Ingest) -> None:
    bought = purchase()
    ingest.deliver(bought)
    ingest.deliver(bought)
    ingest.post(BODY, "t=1,v1=00")
    (accepted,) = ingest.logged("billing.webhook.accepted")
    assert accepted["eventId"] == f"stripe:{bought['id']}:purchase_succeeded"
    assert accepted["requestId"]
    assert ingest.logged("billing.webhook.duplicate")
    (rejected,) = ingest.logged("billing.webhook.rejected")
    assert rejected["reason"] == "malformed" or rejected["reason"] == "mismatch"
    written = ingest.log.read_text()
    for secret in ("buyer@example.com", "whsec_", "v1=", "A Buyer", "sk_test"):
        assert secret not in written


def test_every_answer_has_the_security_headers(shared_ingest: Ingest) -> None:
    for answer in (shared_ingest.deliver(purchase()), shared_ingest.post(BODY, ""), shared_ingest.request("GET", PATH)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert "server" not in answer.headers
