"""What the account page says, state by state; why a browser arrives with a toast."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from account_gateway.entrypoints.pages import copy
from account_gateway.entrypoints.pages.account_state import AccountState, account_state, waiting_for
from account_gateway.entrypoints.pages.arrival import arrival_toasts
from account_gateway.entrypoints.pages.assets import Assets
from atlas_contracts.public_api import BillingOverview, ConfirmResult, Entitlement, PaymentState, RestoreResult

MOMENT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)


def overview(status: str = "none", payment: str | None = None) -> BillingOverview:
    source = None if status == "none" else "stripe"
    entitlement = Entitlement(
        is_pro=status == "active", status=status, source=source, restored_at=None, updated_at=None
    )
    state = PaymentState(state=payment, since=MOMENT) if payment else None
    return BillingOverview(entitlement=entitlement, payment=state, can_manage_billing=True)


@pytest.mark.parametrize(
    ("known", "waiting", "expected"),
    [
        (overview(), None, AccountState.FREE),
        (overview(), AccountState.CONFIRMING, AccountState.CONFIRMING),
        (overview(), AccountState.SLOW, AccountState.SLOW),
        (overview("active"), AccountState.CONFIRMING, AccountState.PRO),
        (overview("active", "processing"), None, AccountState.PRO),
        (overview("none", "processing"), AccountState.CONFIRMING, AccountState.PROCESSING),
        (overview("none", "needs_review"), None, AccountState.NEEDS_REVIEW),
        (overview("none", "needs_review"), AccountState.CONFIRMING, AccountState.NEEDS_REVIEW),
        (overview("revoked", "needs_review"), None, AccountState.NEEDS_REVIEW),
        (overview("active", "needs_review"), None, AccountState.PRO),
        (overview("none", "failed"), AccountState.CONFIRMING, AccountState.CONFIRMING),
        (overview("none", "failed"), None, AccountState.FAILED),
        (overview("revoked"), None, AccountState.REVOKED),
        (overview("revoked"), AccountState.CONFIRMING, AccountState.CONFIRMING),
    ],
)
def test_facts_go_before_waiting_and_waiting_before_the_past(
    known: BillingOverview, waiting: AccountState | None, expected: AccountState
) -> None:
    assert account_state(known, waiting) is expected


@pytest.mark.parametrize(
    ("checkout", "view", "expected"),
    [
        ("success", None, AccountState.CONFIRMING),
        ("success", "slow", AccountState.SLOW),
        (None, "confirming", AccountState.CONFIRMING),
        (None, "pro", None),
        ("cancel", None, None),
        (None, None, None),
    ],
)
def test_nobody_can_ask_for_any_other_state(checkout: str | None, view: str | None, expected: AccountState | None) -> None:
    assert waiting_for(checkout, view) is expected


@pytest.mark.parametrize(
    ("referer", "text"),
    [
        ("http://a/pro", "Checkout is temporarily unavailable. Please try again later."),
        ("http://a/account?x=1", "Billing portal is temporarily unavailable. Please try again later."),
        ("", "Billing is temporarily unavailable. Please try again later."),
    ],
)
def test_an_unavailable_service_is_named_after_the_page_whose_link_failed(referer: str, text: str) -> None:
    (toast,) = arrival_toasts({"billing_error": "internal_error"}, AccountState.FREE, referer)
    assert (toast.text, toast.tone, toast.hint) == (text, "error", "Try again shortly.")


def test_a_refused_second_click_says_whether_pro_is_there_or_the_payment_on_its_way() -> None:
    said = {
        standing: [toast.text for toast in arrival_toasts({"billing_error": "invalid_request"}, standing, "")]
        for standing in (AccountState.PRO, AccountState.PROCESSING, AccountState.NEEDS_REVIEW)
    }
    assert said == {
        AccountState.PRO: ["Pro is already active."],
        AccountState.PROCESSING: ["A payment is already being processed."],
        AccountState.NEEDS_REVIEW: ["Your payment was received and is being reviewed. Please contact support."],
    }


REVIEWED = "Your payment was received, but Pro could not be switched on automatically. Please contact support."


def test_a_payment_in_review_is_told_on_the_return_at_once() -> None:
    (toast,) = arrival_toasts({"checkout": "success"}, AccountState.NEEDS_REVIEW, "")
    assert (toast.text, toast.tone) == (REVIEWED, "warning")


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        (AccountState.FREE, "Checkout canceled. No charge was made."),
        (AccountState.REVOKED, "Checkout canceled. No charge was made."),
        (AccountState.NEEDS_REVIEW, REVIEWED),
        (AccountState.PROCESSING, "A payment is already being processed."),
        (AccountState.PRO, "Pro is already active on this account."),
    ],
)
def test_who_paid_in_another_tab_never_reads_that_nothing_was_charged(standing: AccountState, text: str) -> None:
    (toast,) = arrival_toasts({"checkout": "cancel"}, standing, "")
    assert toast.text == text


def test_only_an_unpaid_checkout_is_told_that_nothing_was_charged() -> None:
    for part, said in copy.FOR_SCRIPT.items():
        for key, text in said.items():
            assert "harged" not in text or (part, key) == ("checkout", "not_paid")


@pytest.mark.parametrize(("part", "result"), [("checkout", ConfirmResult), ("restore", RestoreResult)])
def test_every_reason_has_words_of_its_own(part: str, result: type[ConfirmResult | RestoreResult]) -> None:
    reasons = get_args(get_args(result.model_fields["reason"].annotation)[0])
    assert reasons and all(copy.FOR_SCRIPT[part][reason] for reason in reasons)


def test_an_unknown_code_says_nothing_that_a_stranger_could_choose() -> None:
    (toast,) = arrival_toasts({"billing_error": "<script>"}, AccountState.FREE, "")
    assert toast.text == "Billing is temporarily unavailable. Please try again later."


def test_a_return_that_is_known_already_says_active_at_once() -> None:
    (toast,) = arrival_toasts({"checkout": "success"}, AccountState.PRO, "")
    assert toast.text == "Checkout completed and Pro is now active on your account."


def test_assets_have_the_address_of_their_content_and_unknown_ones_none() -> None:
    assets = Assets()
    assert assets.url("main.js") == f"/static/{assets.digest}/main.js"
    with pytest.raises(KeyError):
        assets.url("../settings.py")
