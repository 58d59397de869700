"""The same journey in containers: from `docker compose up --build --wait` to a bought Pro, and through what may go wrong."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from support.buyer import Buyer
from support.compose import ComposeStack
from support.stack import eventually

# The first test waits for the images.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

BUYERS = 24
THIRD = BUYERS // 3
BUYERS_AT_A_TIME = 8


def test_a_stranger_signs_in_buys_pro_and_gets_a_refund(compose: ComposeStack) -> None:
    buyer = Buyer(compose)
    assert buyer.entitlement()["status"] == "none"

    session_id = buyer.open_checkout()
    hosted = buyer.stripe.v1.checkout.sessions.retrieve(session_id).url
    assert hosted.startswith(compose.url("sandbox")), "the buyer's browser has to reach the hosted page"
    buyer.pay(session_id)
    assert eventually(lambda: (e := buyer.entitlement())["isPro"] and e, what="Pro")["source"] == "stripe"

    buyer.refund(session_id)
    eventually(lambda: buyer.entitlement()["status"] == "revoked", what="revoked")


def test_purchases_while_entitlements_is_killed_are_all_there_once_it_is_back(compose: ComposeStack) -> None:
    buyers = [Buyer(compose) for _ in range(BUYERS)]
    with ThreadPoolExecutor(BUYERS_AT_A_TIME) as pool:
        purchases = list(zip(buyers, pool.map(Buyer.open_checkout, buyers), strict=True))

        def pay(some: slice) -> list[Future[object]]:
            return [pool.submit(buyer.pay, session_id) for buyer, session_id in purchases[some]]

        before = pay(slice(0, THIRD))
        compose.do("kill", "entitlements")
        meanwhile = pay(slice(THIRD, 2 * THIRD))
        wait([*before, *meanwhile])
        assert "entitlements-1" not in compose.containers(), "it is still away"
        afterwards = pay(slice(2 * THIRD, BUYERS))
        compose.up("--no-recreate", "entitlements")  # all: it gives up at once where the desk, which waits for it, is unhealthy by now
        assert all(payment.exception() is None for payment in [*before, *meanwhile, *afterwards])

        list(pool.map(lambda buyer: eventually(buyer.is_pro, 60, f"{buyer.user} is Pro"), buyers))
    users = ", ".join(f"'{buyer.user}'" for buyer in buyers)
    changes = compose.sql("entitlements", f"SELECT count(*), sum(version) FROM entitlements WHERE user_id IN ({users})")
    assert changes == f"{BUYERS}|{BUYERS}", "each became Pro exactly once"


def test_the_internal_services_can_be_several(compose: ComposeStack) -> None:
    compose.up("--no-recreate", "--scale", "entitlements=2", "--scale", "checkout=2")
    try:
        assert {"entitlements-2", "checkout-2"} <= set(compose.containers())
        buyers = [Buyer(compose) for _ in range(BUYERS_AT_A_TIME)]
        with ThreadPoolExecutor(BUYERS_AT_A_TIME) as pool:
            list(pool.map(Buyer.buy, buyers))
    finally:
        compose.up("--no-recreate", "--scale", "entitlements=1", "--scale", "checkout=1")


def test_down_and_up_again_keeps_what_was_bought(compose: ComposeStack) -> None:
    buyer = Buyer(compose)
    buyer.buy()

    compose.do("down", "--timeout", "10")
    compose.up()

    assert buyer.is_pro(), "the same session cookie, the same entitlement"
    Buyer(compose).buy()
