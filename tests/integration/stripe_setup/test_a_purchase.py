"""What was set up works: a purchase at its price reaches webhook-ingest, which has the secret from `.env.stripe`."""

from __future__ import annotations

import pytest

from support.ingest import PATH, eventually, running_ingest
from support.stripe_accounts import KEY, line_to


@pytest.mark.parametrize("replaced", [False, True], ids=["first installation", "after its secret was lost"])
def test_a_purchase_at_the_price_comes_in_by_the_endpoint(setup, account, nats_url, replaced):
    with line_to("") as line:
        url = line.url + PATH
        assert setup("--apply", url=url).code == 0
        if replaced:
            setup.file.unlink()
            assert setup("--apply", url=url).code == 0
        kept = setup.kept
        settings = {"STRIPE_SECRET_KEY": KEY, "STRIPE_API_BASE": account.url, "STRIPE_WEBHOOK_SECRET": kept["STRIPE_WEBHOOK_SECRET"]}
        with running_ingest(nats_url, **settings) as ingest:
            line.target = f"http://127.0.0.1:{ingest.port}"
            session = account.client.v1.checkout.sessions.create(
                {"mode": "payment", "line_items": [{"price": kept["STRIPE_PRICE_PRO_LIFETIME"], "quantity": 1}], "success_url": "https://atlas.example/done", "metadata": {"userId": "ada"}}
            )
            account.control("POST", f"/checkout/{session.id}/pay", {"outcome": "paid"})
            [event] = eventually(lambda: [found for found in ingest.stored() if found["type"].endswith("purchase_succeeded")])
            assert event["subject"] == "ada" and event["data"]["signatureVerified"] is True
            assert account.control("GET", "/delivery")["counts"]["failed"] == 0
