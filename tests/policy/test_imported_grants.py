"""Grants of the app that we replace: sources of their own, which an operator's later word ends. In every order."""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Provider
from entitlements.domain.news import is_news
from entitlements.domain.policy import Policy
from support.facts import Purchase, grant, revoke, when
from support.folding import Fold, facts_of, told
from support.imported import imported

IOS, ANDROID, MANUAL = Provider.IOS_IAP, Provider.ANDROID_IAP, Provider.MANUAL


@pytest.mark.parametrize("source", [MANUAL, IOS, ANDROID])
def test_an_imported_grant_makes_pro_through_its_own_source_since_its_own_date(source):
    fold = told(imported("ada", -500, source=source))
    verdict = fold.verdict()
    assert (verdict.is_pro, verdict.source, verdict.active_from, fold.reason()) == (True, source, when(-500), "imported")


@pytest.mark.parametrize("source", [MANUAL, IOS, ANDROID])
def test_one_that_ended_there_is_revoked_with_its_source_and_was_never_announced_as_pro(source):
    fold = told(imported("ada", -500, -100, source=source))
    verdict = fold.verdict()
    assert (verdict.status, verdict.source, verdict.active_from, verdict.active_until) == ("revoked", source, when(-500), when(-100))
    assert fold.reason() == "ended_in_old_app"
    assert [change.after.verdict.status for change in fold.changes] == ["revoked"]


def test_an_operators_later_revoke_ends_it_whichever_became_known_first():
    for facts in ([imported("ada", -500, source=IOS), revoke("ada", 10)], [revoke("ada", 10), imported("ada", -500, source=IOS)]):
        fold = told(*facts)
        assert (fold.status(), fold.reason(), fold.verdict().active_until) == ("revoked", "revoked_by_operator", when(10))


def test_no_later_import_of_the_same_grant_brings_it_back():
    fold = told(imported("ada", -500), revoke("ada", 10), imported("ada", -500, as_of=50))
    assert not fold.is_pro()


def test_one_that_begins_after_the_operators_word_is_a_new_grant():
    assert told(imported("ada", -500), revoke("ada", 10), imported("ada", 20, as_of=50)).is_pro()


def test_of_one_instant_the_operators_revoke_holds():
    assert not told(imported("ada", 10, as_of=10), revoke("ada", 10)).is_pro()


def test_an_operators_grant_after_it_ended_there_stands_whatever_that_app_says_later():
    fold = told(imported("ada", -500, -100), grant("ada", 10), imported("ada", -500, 20, as_of=20))
    assert (fold.is_pro(), fold.verdict().source, fold.reason()) == (True, "manual", "operator")


def test_what_that_app_said_last_takes_the_place_of_what_it_said_before():
    assert told(imported("ada", -500), imported("ada", -500, -100, as_of=0)).status() == "revoked"
    assert told(imported("ada", -500), imported("ada", -500, -100, as_of=0), imported("ada", -50, as_of=5)).is_pro()
    assert told(imported("ada", -500, source=IOS), imported("ada", -400, as_of=0, source=ANDROID)).verdict().source == "android_iap"


def test_of_one_instant_what_has_ended_holds():
    assert told(imported("ada", -500, as_of=0), imported("ada", -500, -100, as_of=0)).status() == "revoked"


def test_a_refund_at_stripe_never_ends_it_and_it_ends_no_purchase():
    buy = Purchase("ada")
    fold = told(imported("ada", -500, source=IOS), buy.paid(at=0), buy.charge_refunded(at=60))
    assert (fold.is_pro(), fold.verdict().source) == (True, "ios_iap")
    other = told(imported("ada", -500, -100), Purchase("ada").paid(at=0))
    assert (other.is_pro(), other.verdict().source) == (True, "stripe")


def test_beside_a_purchase_the_source_is_that_of_the_earliest():
    assert told(imported("ada", -500, source=ANDROID), Purchase("ada").paid(at=0)).verdict().source == "android_iap"
    assert told(imported("ada", 30, as_of=40, source=ANDROID), Purchase("ada").paid(at=0)).verdict().source == "stripe"


def says_something_new(known, fact):
    fold = Fold()
    fold.hear(*known)
    [read] = facts_of([fact])
    return is_news(read, fold.projection.spoken_of(read), Policy())


def test_a_row_that_was_touched_and_says_the_same_is_no_news_and_what_changed_is():
    known = [imported("ada", -500, as_of=0)]
    assert says_something_new([], imported("ada", -500, as_of=0))
    assert not says_something_new(known, imported("ada", -500, as_of=60))
    assert says_something_new(known, imported("ada", -500, 30, as_of=60))
    ended = [*known, imported("ada", -500, 30, as_of=60)]
    assert not says_something_new(ended, imported("ada", -500, as_of=0)), "what it said before that"
    assert says_something_new(ended, imported("ada", -500, as_of=90)), "it says so again"
