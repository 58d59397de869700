"""What `./atlas stripe setup` says and does: each object as it should be, whatever was there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import stripe

from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support.canaries import Canaries

EVERYTHING = {
    "product": "create", "price": "create", "webhook endpoint": "create", "portal configuration": "create", ".env.stripe": "create",
}  # fmt: skip
NOTHING = dict.fromkeys(EVERYTHING, "keep")
URL = "https://atlas.example/api/billing/stripe/webhook"


def test_a_plan_makes_nothing_and_exits_2(setup, account):
    done = setup()
    assert (done.code, done.actions) == (2, EVERYTHING)
    assert account.posts() == [] and not setup.file.exists()


def test_what_is_applied_is_there_and_a_further_run_has_nothing_to_do(setup, account):
    done = setup("--apply")
    assert (done.code, done.actions) == (0, EVERYTHING), done.err
    [product], [price] = account.products(), account.prices()
    assert (price.unit_amount, price.currency, price.type, price.product, price.active) == (4900, "usd", "one_time", product.id, True)
    [endpoint] = account.endpoints()
    assert (endpoint.url, endpoint.status, endpoint.api_version) == (URL, "enabled", stripe.api_version)
    assert endpoint.enabled_events == list(SUPPORTED_EVENT_TYPES)
    [portal] = account.configurations()
    assert portal.active and portal.features.invoice_history.enabled
    assert not portal.features.subscription_cancel.enabled and not portal.features.subscription_update.enabled
    assert setup.file.stat().st_mode & 0o777 == 0o600
    assert setup.kept["STRIPE_PRICE_PRO_LIFETIME"] == price.id
    assert setup.kept["STRIPE_BILLING_PORTAL_CONFIGURATION_ID"] == portal.id
    before = account.posts()
    for arguments in ((), ("--apply",), ("--apply", "--amount", "4900", "--currency", "USD")):
        again = setup(*arguments)
        assert (again.code, again.actions) == (0, NOTHING)
    assert account.posts() == before


def test_the_secret_is_on_no_screen_whatever_the_sdk_is_told_to_log(setup, account):
    setup.env(STRIPE_LOG="debug")
    said = [setup("--apply"), setup(), setup("--json"), setup("--apply", "--json")]
    secrets = Canaries()
    secrets.plant("the endpoint's secret", setup.kept["STRIPE_WEBHOOK_SECRET"])
    secrets.plant("the key", "sk_test_a_fresh_account")
    for done in said:
        assert done.code == 0
        assert secrets.found_in("output", (done.out + done.err).encode()) == []


def test_a_process_that_logs_everything_shows_no_secret(setup, account, tmp_path):
    program = "import pathlib, sys; folder = pathlib.Path(sys.argv.pop(1)); from atlas_operator.commands import stripe_account as s; from atlas_operator.stripe_setup.kept import Kept; s.Kept = lambda: Kept(folder); from atlas_localstack.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, str(setup.folder), "stripe", "setup", "--apply", "--url", URL],
        env={**os.environ, "STRIPE_LOG": "debug"}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    secrets = Canaries()
    secrets.plant("the endpoint's secret", setup.kept["STRIPE_WEBHOOK_SECRET"])
    assert secrets.found_in("output", done.stdout + done.stderr) == []


def test_the_result_for_programs(setup):
    planned, applied = json.loads(setup("--json").out), json.loads(setup("--apply", "--json").out)
    assert (planned["mode"], planned["applied"], planned["changes"], planned["wrote"]) == ("test", False, 5, [])
    assert {row["object"]: row["action"] for row in planned["objects"]} == EVERYTHING
    assert applied["applied"] and all(row["id"] for row in applied["objects"])
    assert set(applied["wrote"]) == set(setup.kept)


def test_a_price_of_another_amount_and_currency_is_made_as_asked(setup, account):
    assert setup("--apply", "--amount", "1900", "--currency", "EUR").code == 0
    [price] = account.prices()
    assert (price.unit_amount, price.currency) == (1900, "eur")
    assert setup().code == 0, "without an amount, what is there stays"


def test_another_amount_is_another_price_that_takes_the_lookup_key(setup, account):
    setup("--apply")
    [first] = account.prices()
    planned = setup("--amount", "5900")
    assert (planned.code, planned.actions["price"], planned.actions["product"]) == (2, "change", "keep")
    assert "4900 usd" in planned.out and "5900 usd" in planned.out and first.id in planned.out
    assert setup("--apply", "--amount", "5900").code == 0
    [second] = account.prices()
    assert (second.unit_amount, second.product) == (5900, first.product)
    assert account.client.v1.prices.retrieve(first.id).active, "what was sold by it, and what is open, is untouched"
    assert setup.kept["STRIPE_PRICE_PRO_LIFETIME"] == second.id
    assert setup("--amount", "5900").code == 0 and setup().code == 0
    assert setup("--apply", "--amount", "4900").code == 0
    [third] = account.prices()
    assert third.id not in {first.id, second.id} and third.unit_amount == 4900
    assert len(account.products()) == 1


def test_the_price_that_the_services_have_is_kept_as_it_is(setup, account):
    setup.env(STRIPE_PRICE_PRO_LIFETIME="price_sandbox")
    done = setup("--apply")
    assert (done.code, done.actions["price"], done.actions["product"]) == (0, "keep", "keep")
    assert account.prices() == [] and account.products() == []
    assert "STRIPE_PRICE_PRO_LIFETIME" not in setup.kept, "the services have it already"
    differs = setup("--apply", "--amount", "100")
    assert (differs.code, differs.actions["price"]) == (0, "change")
    [price] = account.prices()
    assert price.unit_amount == 100 and setup.kept["STRIPE_PRICE_PRO_LIFETIME"] == price.id
    assert setup("--amount", "100").code == 0, "the same words again make no further price"


@pytest.mark.parametrize(
    ("spoil", "thing", "said"),
    [
        (lambda client, ids: client.v1.products.update(ids["product"], {"active": False}), "product", "activate"),
        (lambda client, ids: client.v1.prices.update(ids["price"], {"active": False}), "price", "activate"),
        (lambda client, ids: client.v1.webhook_endpoints.update(ids["webhook endpoint"], {"disabled": True}), "webhook endpoint", "enable"),
        (lambda client, ids: client.v1.webhook_endpoints.update(ids["webhook endpoint"], {"enabled_events": ["*"]}), "webhook endpoint", "drop *"),
        (lambda client, ids: client.v1.webhook_endpoints.update(ids["webhook endpoint"], {"enabled_events": [*SUPPORTED_EVENT_TYPES[1:], "payout.paid"]}), "webhook endpoint", "add checkout.session.completed, drop payout.paid"),
        (lambda client, ids: client.v1.billing_portal.configurations.update(ids["portal configuration"], {"active": False}), "portal configuration", "activate"),
        (lambda client, ids: client.v1.billing_portal.configurations.update(ids["portal configuration"], {"features": {"invoice_history": {"enabled": False}, "subscription_cancel": {"enabled": True}}}), "portal configuration", "invoice history on, subscription cancel off"),
    ],
)  # fmt: skip
def test_what_was_changed_at_stripe_is_put_right_in_place(setup, account, spoil, thing, said):
    ids = {row["object"]: row["id"] for row in json.loads(setup("--apply", "--json").out)["objects"]}
    secret = setup.kept["STRIPE_WEBHOOK_SECRET"]
    spoil(account.client, ids)
    planned = setup()
    assert (planned.code, planned.actions) == (2, {**NOTHING, thing: "change"})
    assert said in planned.out
    assert setup("--apply").code == 0
    assert setup().actions == NOTHING
    assert {row["object"]: row["id"] for row in json.loads(setup("--json").out)["objects"]} == ids
    assert setup.kept["STRIPE_WEBHOOK_SECRET"] == secret


def test_the_portal_configuration_that_checkout_made_is_the_one(setup, account):
    from atlas_stripe.portal_configuration import FIRST_KEY, PARAMETERS

    made = account.client.v1.billing_portal.configurations.create(dict(PARAMETERS), {"idempotency_key": FIRST_KEY})
    done = setup("--apply")
    assert done.actions["portal configuration"] == "keep"
    assert setup.kept["STRIPE_BILLING_PORTAL_CONFIGURATION_ID"] == made.id
    assert len(account.configurations()) == 1


def test_a_portal_configuration_of_the_operators_own_keeps_what_is_not_needed(setup, account):
    own = account.client.v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": False}, "customer_update": {"enabled": True, "allowed_updates": ["email"]}}}
    )
    setup.env(STRIPE_BILLING_PORTAL_CONFIGURATION_ID=own.id)
    assert setup("--apply").actions["portal configuration"] == "change"
    [found] = account.configurations()
    assert found.features.invoice_history.enabled and found.features.customer_update.allowed_updates == ["email"]


def test_an_endpoint_of_another_url_is_left_alone_and_its_secret_is_kept(setup, account):
    setup("--apply")
    first = setup.kept["STRIPE_WEBHOOK_SECRET"]
    foreign = account.client.v1.webhook_endpoints.create({"url": "https://other.example/hook", "enabled_events": ["*"]})
    assert setup("--apply", url="https://second.example/webhook").code == 0
    assert {each.url for each in account.endpoints()} == {URL, "https://second.example/webhook", "https://other.example/hook"}
    new, *others = setup.kept["STRIPE_WEBHOOK_SECRET"].split(",")
    assert others == [first] and new != first
    assert setup().code == 0 and setup(url="https://second.example/webhook").code == 0, "both secrets are known"
    assert account.client.v1.webhook_endpoints.retrieve(foreign.id).enabled_events == ["*"]


@pytest.mark.parametrize("spelled", ["https://ATLAS.example/api/billing/stripe/webhook", "https://atlas.example:443/api/billing/stripe/webhook"])
def test_the_same_url_spelled_otherwise_is_the_same_endpoint(setup, account, spelled):
    setup("--apply")
    assert setup("--apply", url=spelled).actions == NOTHING
    assert len(account.endpoints()) == 1


def test_an_endpoint_made_by_hand_is_kept_where_the_services_have_its_secret_and_replaced_where_nobody_has(setup, account):
    made = account.client.v1.webhook_endpoints.create(
        {"url": URL, "enabled_events": ["charge.refunded"], "api_version": stripe.api_version}
    )
    setup.env(STRIPE_WEBHOOK_SECRET=made.secret)
    assert setup("--apply").actions["webhook endpoint"] == "change"
    [endpoint] = account.endpoints()
    assert endpoint.id == made.id and endpoint.enabled_events == list(SUPPORTED_EVENT_TYPES)
    assert "STRIPE_WEBHOOK_SECRET" not in setup.kept
    setup.env(STRIPE_WEBHOOK_SECRET=None)
    planned = setup()
    assert "its secret is not known here" in planned.out and planned.actions["webhook endpoint"] == "change"
    assert setup("--apply").code == 0
    [endpoint] = account.endpoints()
    assert endpoint.id != made.id and setup.kept["STRIPE_WEBHOOK_ENDPOINT_ID"] == endpoint.id


def test_an_endpoint_of_another_api_version_is_replaced_and_the_old_secret_goes_on_being_accepted(setup, account):
    old = account.client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": "2024-06-20"})
    setup.env(STRIPE_WEBHOOK_SECRET=old.secret)
    planned = setup()
    assert "2024-06-20" in planned.out and planned.actions["webhook endpoint"] == "change"
    assert setup("--apply").code == 0
    [endpoint] = account.endpoints()
    assert endpoint.id != old.id and endpoint.api_version == stripe.api_version
    new, former = setup.kept["STRIPE_WEBHOOK_SECRET"].split(",")
    assert former == old.secret and new != former
    assert setup().code == 0


def test_a_lost_file_has_the_endpoint_replaced_and_nothing_else(setup, account):
    setup("--apply")
    before, [price], [portal] = setup.kept, account.prices(), account.configurations()
    setup.file.unlink()
    assert setup("--apply").actions == {**NOTHING, "webhook endpoint": "change", ".env.stripe": "create"}
    [endpoint] = account.endpoints()
    assert endpoint.id == setup.kept["STRIPE_WEBHOOK_ENDPOINT_ID"] != before["STRIPE_WEBHOOK_ENDPOINT_ID"]
    assert setup.kept["STRIPE_WEBHOOK_SECRET"] != before["STRIPE_WEBHOOK_SECRET"]
    assert (setup.kept["STRIPE_PRICE_PRO_LIFETIME"], setup.kept["STRIPE_BILLING_PORTAL_CONFIGURATION_ID"]) == (price.id, portal.id)


def test_a_secret_that_moved_to_the_services_is_known_there(setup, account):
    setup("--apply")
    kept = setup.kept
    setup.file.unlink()
    setup.env(**{name: kept[name] for name in ("STRIPE_WEBHOOK_SECRET", "STRIPE_PRICE_PRO_LIFETIME", "STRIPE_BILLING_PORTAL_CONFIGURATION_ID")})
    assert setup("--apply").actions == NOTHING
    setup.env(STRIPE_WEBHOOK_SECRET="whsec_rolled," + kept["STRIPE_WEBHOOK_SECRET"])
    assert setup().actions == NOTHING


def test_two_endpoints_of_our_url_become_one(setup, account):
    setup("--apply")
    [ours] = account.endpoints()
    second = account.client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": stripe.api_version})
    planned = setup()
    assert f"delete {second.id}" in planned.out and planned.code == 2
    assert setup("--apply").code == 0
    assert [each.id for each in account.endpoints()] == [ours.id]


def test_what_was_deleted_today_is_made_again_although_stripe_repeats_old_answers(setup, account):
    seen = set()
    for _ in range(7):
        assert setup("--apply").code == 0
        [endpoint] = account.endpoints()
        assert endpoint.id not in seen and setup.kept["STRIPE_WEBHOOK_ENDPOINT_ID"] == endpoint.id
        seen.add(endpoint.id)
        account.client.v1.webhook_endpoints.delete(endpoint.id)


def test_a_price_whose_lookup_key_was_taken_away_is_made_again(setup, account):
    setup("--apply")
    [first] = account.prices()
    account.client.v1.prices.update(first.id, {"lookup_key": "another"})
    assert setup("--apply").code == 0
    [second] = account.prices()
    assert second.id != first.id and len(account.products()) == 1
