"""Stripe: the key, its permissions, the clock, the price, the portal and the webhook endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import stripe

from atlas_operator.doctor import permissions, sale
from atlas_operator.doctor.finding import Report
from atlas_operator.doctor.patient import Patient
from atlas_stripe.client import blocking_client, stripes_time
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

TIMEOUT_SECONDS = 8
"""Time limit of one request; short, because a person waits for the result."""
RETRIES = 1
FIRST_SECONDS = 2
"""Time limit of the first request, without a retry: where Stripe is away, the doctor says so at once."""
AT_ONCE = 8
"""Requests made at the same time; Stripe allows 25 per second for a test key."""
# Half of the tolerance for webhook signatures: beyond it, an event that waited a little is refused.
SKEW_SECONDS = 60.0
DASHBOARD = "In Stripe's dashboard, under Developers → Webhooks, "
SETUP = "./atlas stripe setup --apply does it."

StripeCheck = Callable[[Report, stripe.StripeClient, Patient], None]


def look(patient: Patient) -> Report:
    """Stripe as the services need it."""
    report = Report("stripe")
    if not patient.stripe_key:
        report.warning("not looked at", "Set STRIPE_SECRET_KEY to include Stripe.")
        return report
    _key(report, patient)
    client = blocking_client(patient.stripe_key, patient.stripe_api_base, retries=RETRIES, seconds=TIMEOUT_SECONDS)
    try:
        first = blocking_client(patient.stripe_key, patient.stripe_api_base, retries=0, seconds=FIRST_SECONDS)
        _clock(report, first)
    except stripe.AuthenticationError:
        report.cause(
            "Stripe refuses the key (STRIPE_SECRET_KEY); nobody can buy, and pulls fail.",
            "Was it rolled? Set STRIPE_SECRET_KEY to a valid one for checkout and webhook-ingest.",
        )
        return report
    except stripe.APIConnectionError as error:
        report.cause(
            f"Stripe does not answer ({type(error).__name__}); nobody can buy, and pulls fail.",
            "Is there a way out to api.stripe.com? Else see status.stripe.com, and run ./atlas doctor again.",
        )
        return report
    except stripe.StripeError as error:
        _not_made(report, "the clock", error)
    with ThreadPoolExecutor(AT_ONCE) as pool, ThreadPoolExecutor(len(CHECKS)) as checks:
        parts = [checks.submit(_made, what, check, client, patient) for what, check in CHECKS.items()]
        permissions.look(report, client, pool)
        for part in parts:
            report.findings.extend(part.result().findings)
    return report


def _made(what: str, check: StripeCheck, client: stripe.StripeClient, patient: Patient) -> Report:
    """The findings of one check. If the check could not be made, that is a finding too."""
    report = Report("stripe")
    try:
        check(report, client, patient)
    except stripe.StripeError as error:
        _not_made(report, what, error)
    return report


def _not_made(report: Report, what: str, error: stripe.StripeError) -> None:
    if isinstance(error, stripe.PermissionError):
        report.warning(f"{what} could not be looked at: the key may not", "Give it the permission named above.")
        return
    answer = f"Stripe answers {error.http_status}" if error.http_status else "Stripe does not answer"
    report.warning(f"{what} could not be looked at: {answer} ({type(error).__name__})", "Run ./atlas doctor again.")


def _key(report: Report, patient: Patient) -> None:
    key = str(patient.stripe_key)
    mode = "live" if "_live_" in key[:8] else "test"
    report.ok(f"the key is a {mode} key")
    if mode == "live" and patient.stripe_api_base:
        report.error("a live key with STRIPE_API_BASE", "Unset STRIPE_API_BASE: a live key goes to Stripe only.")
    if mode == "live" and patient.target.local:
        report.warning("a live key in a local stack: real money moves", "Use a test key, or the sandbox.")
    if not str(patient.webhook_secret or "whsec_").startswith("whsec_"):
        report.error("STRIPE_WEBHOOK_SECRET is no signing secret", DASHBOARD + "reveal the endpoint's secret.")


def _clock(report: Report, client: stripe.StripeClient) -> None:
    before = time.time()
    try:
        headers = client.raw_request("get", "/v1/events", limit=1).headers
    except stripe.PermissionError as refused:  # this answer has the Date header too
        headers = refused.headers or {}
    after = time.time()
    told = stripes_time(headers)
    if told is None:
        report.warning("the clock could not be compared: Stripe told no time", "Run ./atlas doctor again.")
        return
    # The header has whole seconds: half a second is added to its middle.
    skew = (before + after) / 2 - told.timestamp() - 0.5
    report.check(
        abs(skew) <= SKEW_SECONDS,
        f"the clock agrees with Stripe's ({skew:+.1f} s)",
        f"the clock is {skew:+.0f} s off Stripe's: signatures will look too old or too new",
        "Synchronize the clock (chrony, systemd-timesyncd).",
    )


def _endpoints(report: Report, client: stripe.StripeClient, patient: Patient) -> None:
    endpoints = client.v1.webhook_endpoints.list({"limit": 100}).data
    if not patient.webhook_url:
        report.warning(
            "which webhook endpoint is ours is not known: all are looked at",
            "Set WEBHOOK_PUBLIC_URL to the address that Stripe sends to.",
        )
    ours = [found for found in endpoints if patient.webhook_url in (None, found.url)]
    enabled = [found for found in ours if found.status == "enabled"]
    if not enabled:
        where = patient.webhook_url or "any URL"
        state = "is disabled" if ours else "is missing"
        report.error(f"the webhook endpoint for {where} {state}", DASHBOARD + f"add or enable it. {SETUP}")
    for endpoint in enabled:
        _endpoint(report, endpoint)


def _endpoint(report: Report, endpoint: stripe.WebhookEndpoint) -> None:
    events = set(endpoint.enabled_events)
    missing = set() if "*" in events else set(SUPPORTED_EVENT_TYPES) - events
    report.check(
        not missing,
        f"the endpoint {endpoint.url} gets all events",
        f"the endpoint {endpoint.url} does not get {', '.join(sorted(missing))}",
        DASHBOARD + f"add these events; ./atlas pull fetches what was missed. {SETUP}",
    )
    if endpoint.api_version != stripe.api_version:
        version = endpoint.api_version or "the account's default version"
        report.warning(
            f"the endpoint renders {version}, this code reads {stripe.api_version}",
            DASHBOARD + f"make the endpoint anew with version {stripe.api_version}. {SETUP}",
        )


CHECKS: dict[str, StripeCheck] = {
    "the price": sale.price,
    "the portal": sale.portal,
    "the webhook endpoint": _endpoints,
}
