"""One user's entitlement out of times of granting."""

from __future__ import annotations

from entitlements.domain.payment import Interval
from entitlements.domain.verdict import NOTHING_KNOWN, Grant, decide
from support.facts import grant, revoke, when
from support.folding import told


def spans(*pairs: tuple[int, int | None]) -> tuple[Interval, ...]:
    return tuple(Interval(when(start), None if end is None else when(end)) for start, end in pairs)


def stripe(*pairs: tuple[int, int | None]) -> Grant:
    return Grant("stripe", spans(*pairs))


def manual(*pairs: tuple[int, int | None]) -> Grant:
    return Grant("manual", spans(*pairs))


def test_nothing_granted_is_none():
    assert decide([]) == NOTHING_KNOWN
    assert decide([stripe(), manual()]) == NOTHING_KNOWN


def test_a_grant_of_no_length_is_revoked_at_once():
    verdict = decide([stripe((5, 5))])
    assert (verdict.status, verdict.active_from, verdict.active_until) == ("revoked", when(5), when(5))


def test_a_grant_of_no_length_does_not_hide_a_real_one():
    verdict = decide([stripe((0, 10)), manual((20, 20))])
    assert (verdict.status, verdict.source, verdict.active_until) == ("revoked", "stripe", when(10))


def test_times_that_touch_are_unbroken():
    verdict = decide([stripe((0, 10)), manual((10, None))])
    assert (verdict.active_from, verdict.source) == (when(0), "manual")


def test_a_gap_of_a_second_is_a_gap():
    assert decide([stripe((0, 10), (11, None))]).active_from == when(11)


def test_a_longer_time_bridges_a_gap_of_a_shorter_one():
    verdict = decide([stripe((0, 100)), manual((10, 20), (30, None))])
    assert (verdict.active_from, verdict.source) == (when(0), "manual")


def test_revoked_keeps_what_ended_last():
    verdict = decide([stripe((0, 10)), manual((5, 30))])
    assert (verdict.source, verdict.active_from, verdict.active_until) == ("manual", when(0), when(30))


def test_the_order_of_grants_is_no_matter():
    grants = [stripe((0, 10), (20, None)), manual((5, 12)), Grant("ios_iap", spans((20, None)))]
    assert decide(grants) == decide(grants[::-1])
    assert decide(grants).source == "stripe"


def test_an_operator_may_grant_and_revoke_again_and_again():
    acts = [grant("ada", 0), revoke("ada", 10), grant("ada", 20), revoke("ada", 30), grant("ada", 40)]
    assert told(*acts).verdict().active_from == when(40)
    assert told(*acts[:4]).verdict().active_until == when(30)


def test_a_second_grant_by_an_operator_changes_nothing():
    state = told(grant("ada", 0), grant("ada", 10))
    assert state.verdict().active_from == when(0)


def test_a_revoke_by_an_operator_without_a_grant_changes_nothing():
    assert told(revoke("ada", 0)).status() == "none"


def test_of_a_grant_and_a_revoke_of_one_instant_the_revoke_holds():
    assert told(grant("ada", 5, key="a"), revoke("ada", 5, key="b")).status() == "revoked"
    assert told(grant("ada", 5, key="b"), revoke("ada", 5, key="a")).status() == "revoked"


def test_one_user_s_adjustment_is_no_other_s():
    state = told(grant("ada", 0), revoke("bob", 1))
    assert (state.status("ada"), state.status("bob")) == ("active", "none")
