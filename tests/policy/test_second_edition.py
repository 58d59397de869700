"""What real installations taught about the verdict (CONTRACT 11), case by case; each holds in every order of its facts."""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Via
from entitlements.domain.policy import Policy
from support.facts import Purchase, grant, revoke, when
from support.folding import Fold, told

# --- Refund arithmetic ----------------------------------------------------------------------------------------------


def test_an_amount_told_after_a_refund_failed_has_the_failure_out_already():
    buy = Purchase()
    first = buy.refund()
    state = told(
        buy.paid(at=0), buy.charge_refunded(at=60), first.told("failed", at=120), buy.charge_refunded(at=180)
    )
    assert (state.status(), state.verdict().active_until) == ("revoked", when(180))


def test_a_second_refund_that_is_only_a_part_keeps():
    buy = Purchase(amount=999)
    state = told(
        buy.paid(at=0), buy.charge_refunded(at=60), buy.refund().told("failed", at=120), buy.charge_refunded(at=180, amount=400)
    )
    assert (state.status(), state.verdict().active_from) == ("active", when(120))


def test_failures_are_taken_off_their_own_charge_alone():
    buy = Purchase(amount=1000)
    state = told(
        buy.paid(at=0),
        buy.charge_refunded(at=60, amount=500),
        buy.charge_refunded(at=60, amount=500, second=True),
        buy.refund(500).told("failed", at=120),
        buy.charge_refunded(at=180, amount=500),
    )
    assert (state.status(), state.verdict().active_until) == ("revoked", when(180))
    back = told(
        buy.paid(at=0),
        buy.charge_refunded(at=60, amount=500),
        buy.charge_refunded(at=60, amount=500, second=True),
        buy.refund(500, second_charge=True).told("failed", at=120),
        buy.charge_refunded(at=180, amount=500),
    )
    assert (back.status(), back.verdict().active_from) == ("active", when(120))


def test_an_amount_told_in_the_second_of_the_failure_still_holds_it():
    buy = Purchase()
    state = told(buy.paid(at=0), buy.refund().told("failed", at=120), buy.charge_refunded(at=120))
    assert state.status() == "active"


def test_what_is_read_together_is_of_one_moment():
    buy = Purchase()
    state = told(buy.paid(at=0), buy.refund().read("failed", at=120), buy.charge_read(at=120, refunded=999))
    assert (state.status(), state.verdict().active_until) == ("revoked", when(120))


def test_a_failure_told_again_later_moves_nothing():
    buy = Purchase()
    bounced = buy.refund()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), bounced.told("failed", at=120), buy.charge_refunded(at=180)]
    again = [bounced.told("failed", at=240, event_type="refund.updated"), bounced.read("failed", at=300)]
    assert told(*facts, *again).verdict() == told(*facts).verdict()


def test_the_highest_amount_holds_whatever_a_later_read_says_until_a_failure_is_known():
    buy = Purchase()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), buy.charge_read(at=120, refunded=0)]
    assert told(*facts).status() == "revoked"
    assert told(*facts, buy.refund().told("failed", at=90)).verdict().active_from == when(90)


# --- Statuses recur --------------------------------------------------------------------------------------------------


def test_lost_again_after_an_appeal_and_told_once_more():
    buy = Purchase()
    dispute = buy.dispute()
    facts = [buy.paid(at=0), dispute.told("lost", at=10), dispute.told("appeal_under_review", at=20), dispute.told("lost", at=30)]
    for again in (dispute.told("lost", at=90), dispute.read("lost", at=90)):
        assert told(*facts, again).verdict().active_until == when(30)


def test_won_again_and_the_funds_came_back():
    buy = Purchase()
    dispute = buy.dispute()
    state = told(
        buy.paid(at=0), dispute.told("won", at=10), dispute.told("lost", at=20), dispute.told("won", at=30),
        dispute.told("won", at=31, event_type="charge.dispute.funds_reinstated"),
    )  # fmt: skip
    assert (state.status(), state.verdict().active_from) == ("active", when(30))


def test_restore_clicked_again_and_again_is_no_new_version():
    buy = Purchase()
    dispute = buy.dispute()
    fold = Fold()
    fold.hear(buy.paid(at=0), dispute.told("lost", at=10), dispute.told("won", at=20), dispute.told("lost", at=30))
    before = fold.projection.entitlements["ada"]
    for at in range(100, 160, 10):
        assert fold.hear(buy.read(at=at, via=Via.RESTORE), dispute.read("lost", at=at), buy.charge_read(at=at)) == []
    assert fold.projection.entitlements["ada"] == before


# --- Offers ---------------------------------------------------------------------------------------------------------

EURO = [{"amount": 4500, "currency": "eur"}]


def test_a_session_paid_with_one_of_the_offers_of_its_price_grants():
    buy = Purchase(amount=4500, session={"currency": "eur", "amount_subtotal": 4500})
    assert told(buy.recorded(amount=4900, offers=EURO), buy.paid(at=0)).status() == "active"


def test_a_session_paid_with_none_of_the_offers_is_refused_and_reviewed():
    buy = Purchase(amount=4400, session={"currency": "eur", "amount_subtotal": 4400})
    state = told(buy.recorded(amount=4900, offers=EURO), buy.paid(at=0))
    assert (state.status(), state.judged(buy).because) == ("none", "other_amount_than_recorded")
    assert state.reviews() == {("ada", "other_amount_than_recorded")}


def test_taxes_and_discounts_change_the_total_and_not_the_offer():
    buy = Purchase(session={"amount_subtotal": 4900, "amount_total": 5831})
    facts = [buy.recorded(amount=4900), buy.paid(at=0)]
    assert told(*facts).status() == "active"
    assert told(*facts, buy.charge_refunded(at=60, amount=4900)).status() == "active", "what was paid is 5831"
    assert told(*facts, buy.charge_refunded(at=60, amount=5831)).status() == "revoked"


# --- Paid, and refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"payment_link": "plink_1"}, "made_by_a_payment_link"),
        ({"currency": "gbp"}, "other_currency"),
        ({"mode": "setup"}, "not_a_one_time_payment"),
        ({"metadata": {"userId": "ada"}}, "other_product"),
    ],
)
def test_paid_and_refused_is_somebodys_to_review(odd, reason):
    buy = Purchase("ada", session=odd)
    assert told(buy.paid(at=0)).reviews() == {("ada", reason)}


@pytest.mark.parametrize("odd", [{"metadata": {"userId": "ada", "productKey": "stickers"}}, {"metadata": {}}])
def test_a_session_of_another_product_or_of_nobody_is_nobodys_review(odd):
    assert told(Purchase("ada", session=odd).paid(at=0)).reviews() == set()


def test_an_unpaid_session_is_nobodys_review():
    assert told(Purchase("ada", session={"currency": "gbp"}).pending(at=0)).reviews() == set()


def test_a_full_refund_a_lost_dispute_or_an_operator_ends_the_review():
    buy = Purchase("ada", session={"payment_link": "plink_1"})
    endings = {
        "refunded": buy.charge_refunded(at=60),
        "chargeback_lost": buy.dispute().told("lost", at=60),
        "revoked_by_operator": buy.by_operator("revoke_payment", at=60),
    }
    for because, ending in endings.items():
        state = told(buy.paid(at=0), ending)
        assert (state.reviews(), state.judged(buy).because) == (set(), because)
    assert told(buy.paid(at=0), buy.charge_refunded(at=60, amount=1)).reviews()


def test_a_free_checkout_is_called_so():
    buy = Purchase("ada")
    state = told(buy.free(at=0))
    assert (state.status(), state.judged(buy).because) == ("none", "free_checkout")


# --- One payment, two users -----------------------------------------------------------------------------------------


def test_metadata_edited_later_to_another_user_grants_nobody_and_is_never_none():
    buy = Purchase("ada")
    state = told(buy.paid(at=0), buy.named("bob", at=90))
    assert (state.status("ada"), state.reason("ada"), state.verdict("ada").active_until) == (
        "revoked",
        "contradicting_user",
        when(90),
    )
    assert not state.is_pro("bob")
    assert state.judged(buy).because == "contradicting_user"
    assert state.reviews() == {("ada", "contradicting_user"), ("bob", "contradicting_user")}


def test_whom_the_checkout_service_recorded_keeps_the_payment():
    buy = Purchase("ada")
    state = told(buy.recorded(), buy.paid(at=0), buy.named("bob", at=90))
    assert (state.status("ada"), state.is_pro("bob"), state.reviews()) == ("active", False, set())


def test_a_contradicted_payment_that_was_refunded_is_reviewed_no_more():
    buy = Purchase("ada")
    state = told(buy.paid(at=0), buy.named("bob", at=90), buy.charge_refunded(at=120))
    assert (state.reviews(), state.judged(buy).because, state.status("ada")) == (set(), "refunded", "revoked")


# --- Operators ------------------------------------------------------------------------------------------------------


def test_an_operator_ends_what_a_payment_grants_and_takes_it_back():
    buy = Purchase("ada")
    ended = told(buy.paid(at=0), buy.by_operator("revoke_payment", at=60))
    assert (ended.status(), ended.reason(), ended.verdict().active_until) == ("revoked", "revoked_by_operator", when(60))
    assert ended.verdict().source == "stripe"
    undone = told(buy.paid(at=0), buy.by_operator("revoke_payment", at=60), buy.by_operator("undo_revoke_payment", at=90))
    assert (undone.status(), undone.verdict().active_from) == ("active", when(90))


def test_no_read_brings_back_what_an_operator_ended():
    buy = Purchase("ada")
    state = told(buy.paid(at=0), buy.by_operator("revoke_payment", at=60), buy.read(at=90), buy.charge_read(at=90))
    assert state.status() == "revoked"


def test_a_payment_that_an_operator_ended_ends_no_other():
    first, second = Purchase("ada"), Purchase("ada")
    assert told(first.paid(at=0), second.paid(at=5), first.by_operator("revoke_payment", at=60)).status() == "active"


def test_of_one_instant_the_revoke_holds():
    buy = Purchase("ada")
    assert told(grant("ada", at=5, key="b"), revoke("ada", at=5, key="a")).status() == "revoked"
    one, other = buy.by_operator("undo_revoke_payment", at=60, key="z"), buy.by_operator("revoke_payment", at=60, key="a")
    assert told(buy.paid(at=0), one, other).status() == "revoked"


# --- A fraud warning ------------------------------------------------------------------------------------------------


def test_a_fraud_warning_is_kept_and_changes_no_verdict():
    buy = Purchase("ada")
    with_it = told(buy.paid(at=0), buy.fraud_warning(at=60))
    assert with_it.verdict() == told(buy.paid(at=0)).verdict()
    assert with_it.version() == 1


def test_currencies_of_unrecorded_sessions_are_a_list():
    euro = Policy(currencies=("usd", "eur"))
    assert told(Purchase(session={"currency": "eur"}).paid(at=0), policy=euro).status() == "active"
