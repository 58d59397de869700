"""Stripe: the key's mode, the price, the webhook endpoint, the clock."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import stripe

from atlas_contracts.stripe_mapping import SUPPORTED_EVENT_TYPES

from .finding import Report
from .patient import Patient

TIMEOUT_SECONDS = 10
# Half of the webhook tolerance would already reject events under load.
SKEW_SECONDS = 60.0
DASHBOARD = "In Stripe's dashboard, under Developers → Webhooks, "


def look(patient: Patient) -> Report:
    """Stripe as the services need it."""
    report = Report("stripe")
    if not patient.stripe_key:
        report.warning("not looked at", "Set STRIPE_SECRET_KEY to include Stripe.")
        return report
    _key(report, patient)
    bases: Any = {"api": patient.stripe_api_base} if patient.stripe_api_base else {}
    client = stripe.StripeClient(
        patient.stripe_key,
        base_addresses=bases,
        max_network_retries=1,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )
    try:
        _clock(report, client)
        if patient.price_id:
            _price(report, client, patient.price_id)
        _endpoints(report, client, patient)
    except stripe.AuthenticationError:
        report.error("Stripe refuses the key", "Set STRIPE_SECRET_KEY to a valid one; was it rolled?")
    except stripe.StripeError as error:
        report.error(f"Stripe answers {error.http_status or 'nothing'}: {type(error).__name__}", "Try again later.")
    return report


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
    answer = client.raw_request("get", "/v1/events", limit=1)
    after = time.time()
    headers = {str(name).lower(): str(value) for name, value in dict(answer.headers).items()}
    if "date" not in headers:
        return
    # The header has whole seconds: half a second is added to its middle.
    skew = (before + after) / 2 - parsedate_to_datetime(headers["date"]).timestamp() - 0.5
    report.check(
        abs(skew) <= SKEW_SECONDS,
        f"the clock agrees with Stripe's ({skew:+.1f} s)",
        f"the clock is {skew:+.0f} s off Stripe's: signatures will look too old or too new",
        "Synchronize the clock (chrony, systemd-timesyncd).",
    )


def _price(report: Report, client: stripe.StripeClient, price_id: str) -> None:
    try:
        price = client.v1.prices.retrieve(price_id)
    except stripe.InvalidRequestError:
        report.error("STRIPE_PRICE_PRO_LIFETIME does not exist here", "Is it of the other mode? Take it from Products.")
        return
    report.check(
        price.active and price.type == "one_time",
        f"the price is active: {price.unit_amount} {price.currency} (minor units), once",
        f"the price is {'' if price.active else 'not active, '}{price.type}",
        "Use an active one-time price.",
    )


def _endpoints(report: Report, client: stripe.StripeClient, patient: Patient) -> None:
    endpoints = client.v1.webhook_endpoints.list({"limit": 100}).data
    ours = [found for found in endpoints if patient.webhook_url in (None, found.url)]
    enabled = [found for found in ours if found.status == "enabled"]
    if not enabled:
        where = patient.webhook_url or "any URL"
        state = "is disabled" if ours else "is missing"
        report.error(f"the webhook endpoint for {where} {state}", DASHBOARD + "add or enable it.")
        return
    for endpoint in enabled:
        events = set(endpoint.enabled_events)
        missing = set() if "*" in events else set(SUPPORTED_EVENT_TYPES) - events
        report.check(
            not missing,
            f"the endpoint {endpoint.url} gets all events",
            f"the endpoint {endpoint.url} does not get {', '.join(sorted(missing))}",
            DASHBOARD + "add these events; ./atlas pull fetches what was missed.",
        )
        if endpoint.api_version != stripe.api_version:
            version = endpoint.api_version or "the account's default version"
            report.warning(
                f"the endpoint renders {version}, this code reads {stripe.api_version}",
                DASHBOARD + f"make the endpoint anew with version {stripe.api_version}.",
            )
