"""What `./atlas doctor` finds at Stripe, played by the sandbox; and that looking makes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from atlas_operator.doctor import provider
from atlas_operator.doctor.finding import Finding
from atlas_operator.doctor.patient import Patient
from atlas_operator.doctor.permissions import NEEDS
from atlas_operator.mirrors import KeeperUrls
from atlas_operator.target import Target
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

from .conftest import KEY, PRICE, Sandbox

URL = "https://ingest.example/api/billing/stripe/webhook"


@pytest.fixture
def look(sandbox: Sandbox, client: Any) -> Iterator[Callable[..., list[Finding]]]:
    version = {"api_version": stripe.api_version}
    endpoint = client.v1.webhook_endpoints.create({"url": URL, "enabled_events": list(SUPPORTED_EVENT_TYPES), **version})

    def found(**changes: Any) -> list[Finding]:
        settings: dict[str, Any] = {
            "target": Target({}, "secret", local=True),
            "nats_url": None,
            "nats_monitor_url": None,
            "databases": {},
            "stripe_key": KEY,
            "stripe_api_base": sandbox.url,
            "sandbox_url": None,
            "price_id": PRICE,
            "portal_configuration": None,
            "webhook_url": URL,
            "webhook_secret": "whsec_x",
            "replicas": 1,
            "keepers": KeeperUrls(None, None),
            "streams": (),
        }
        return provider.look(Patient(**{**settings, **changes})).findings

    yield found
    sandbox.control("PUT", "/permissions", {"deny": []})
    client.v1.webhook_endpoints.delete(endpoint.id)


def bad(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "ok"]


def test_on_a_key_that_may_do_everything_all_is_well_and_nothing_was_made(look: Any, sandbox: Sandbox) -> None:
    sandbox.control("DELETE", "/requests")
    findings = look()
    assert bad(findings) == []
    assert any("every permission" in finding.what for finding in findings)
    written = [call for call in sandbox.control("GET", "/requests")["data"] if call["method"] != "GET"]
    assert len(written) == len([need for need in NEEDS if need.level == "Write"])
    assert {call["status"] for call in written} <= {400, 404}


DENIED = {
    "events:read": ("Events", "Read", "error"),
    "customers:read": ("Customers", "Read", "error"),
    "customers:write": ("Customers", "Write", "error"),
    "checkout_sessions:read": ("Checkout Sessions", "Read", "error"),
    "checkout_sessions:write": ("Checkout Sessions", "Write", "error"),
    "payment_intents:read": ("PaymentIntents", "Read", "error"),
    "payment_intents:write": ("PaymentIntents", "Write", "error"),
    "charges:read": ("Charges and Refunds", "Read", "error"),
    "charges:write": ("Charges and Refunds", "Write", "error"),
    "refunds:read": ("Charges and Refunds", "Read", "error"),
    "balance_transactions:read": ("Balance Transaction Sources", "Read", "error"),
    "disputes:read": ("Disputes", "Read", "error"),
    "prices:read": ("Prices", "Read", "error"),
    "products:read": ("Products", "Read", "warning"),
    "invoices:read": ("Invoices", "Read", "warning"),
    "webhook_endpoints:read": ("Webhook Endpoints", "Read", "warning"),
    "billing_portal_configurations:read": ("Customer Portal", "Read", "warning"),
    "billing_portal_configurations:write": ("Customer Portal", "Write", "error"),
    "billing_portal_sessions:write": ("Customer Portal", "Write", "error"),
}


def test_every_call_has_a_permission_that_is_tried_here() -> None:
    assert {(label, level) for label, level, _ in DENIED.values()} == {(need.label, need.level) for need in NEEDS}


@pytest.mark.parametrize("wording", ["2026", "2025"])
@pytest.mark.parametrize("denied", DENIED)
def test_a_permission_that_lacks_is_named_as_stripes_dashboard_does(
    look: Any, sandbox: Sandbox, denied: str, wording: str
) -> None:
    label, level, severity = DENIED[denied]
    sandbox.control("PUT", "/permissions", {"deny": [denied], "wording": wording})
    (found,) = [finding for finding in look() if f"permission {label}: {level}" in finding.what]
    assert found.level == severity
    assert f"set {label} to {level}" in found.remedy
    assert "rk_test" not in found.what


def test_what_the_key_may_not_look_at_is_never_well(look: Any, sandbox: Sandbox) -> None:
    names = ["webhook_endpoints:read", "prices:read", "billing_portal_configurations:read"]
    sandbox.control("PUT", "/permissions", {"deny": names})
    findings = look(portal_configuration="bpc_some")
    for what in ("the price", "the webhook endpoint", "the portal"):
        (found,) = [finding for finding in findings if finding.what.startswith(f"{what} could not be looked at")]
        assert found.level == "warning" and found.remedy
    assert not [finding for finding in findings if finding.level == "ok" and "endpoint" in finding.what]


def test_a_stripe_that_fails_or_does_not_answer_is_never_well(look: Any, sandbox: Sandbox) -> None:
    (found,) = bad(look(stripe_api_base="http://127.0.0.1:9"))
    assert "does not answer" in found.what
    sandbox.control("PUT", "/api", {"fail_next": 1000, "status": 503})
    findings = look(portal_configuration="bpc_some")
    sandbox.control("PUT", "/api", {})
    assert [finding.what for finding in findings if finding.level == "ok"] == ["the key is a test key"]
    assert any("could not be tried" in finding.what for finding in findings)


def test_a_refused_key_is_said_once(look: Any) -> None:
    (found,) = bad(look(stripe_key="sk_test_another"))
    assert found.what == "Stripe refuses the key (STRIPE_SECRET_KEY); nobody can buy, and pulls fail."


def test_what_is_not_configured_is_not_looked_at_and_says_so(look: Any) -> None:
    whats = [finding.what for finding in bad(look(price_id=None, webhook_url=None))]
    assert any("price was not looked at" in what for what in whats)
    assert any("which webhook endpoint is ours is not known" in what for what in whats)


def test_an_inactive_product_is_an_error(look: Any, client: Any) -> None:
    product = client.v1.products.create({"name": "Pro"})
    price = client.v1.prices.create({"product": product.id, "unit_amount": 4900, "currency": "usd"})
    assert bad(look(price_id=price.id)) == []
    client.v1.products.update(product.id, {"active": False})
    (found,) = bad(look(price_id=price.id))
    assert (found.level, f"product {product.id} of the price is not active" in found.what) == ("error", True)


def test_a_price_in_several_currencies_is_told_for_information(look: Any, client: Any) -> None:
    product = client.v1.products.create({"name": "Pro"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 4900,
            "currency": "usd",
            "currency_options": {"eur": {"unit_amount": 4500}, "gbp": {"unit_amount": 3900}},
        }
    )
    findings = look(price_id=price.id)
    assert bad(findings) == []
    assert any("several currencies" in finding.what and "4500 eur, 3900 gbp" in finding.what for finding in findings)


def test_a_portal_that_is_not_there_or_shows_no_invoices_is_an_error(look: Any, client: Any) -> None:
    (found,) = bad(look(portal_configuration="bpc_none"))
    assert found.level == "error" and "does not exist" in found.what
    features = {"customer_update": {"enabled": False}, "invoice_history": {"enabled": False}}
    made = client.v1.billing_portal.configurations.create({"features": features})
    (found,) = bad(look(portal_configuration=made.id))
    assert found.level == "error" and "no invoice history" in found.what
    client.v1.billing_portal.configurations.update(made.id, {"features": {"invoice_history": {"enabled": True}}})
    assert bad(look(portal_configuration=made.id)) == []
