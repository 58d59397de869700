"""Which payment the account page speaks of."""

from __future__ import annotations

from datetime import UTC, datetime

from entitlements.domain.payment import Interval, PaymentVerdict, Unfinished
from entitlements.reads import unfinished_payment


def _day(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


def _paid(day: int) -> PaymentVerdict:
    return PaymentVerdict("ada", intervals=(Interval(_day(day)),))


def _failed(day: int) -> PaymentVerdict:
    return PaymentVerdict("ada", unfinished=Unfinished("failed", _day(day)))


def _processing(day: int) -> PaymentVerdict:
    return PaymentVerdict("ada", unfinished=Unfinished("processing", _day(day)))


def test_the_newest_unfinished_payment_is_shown() -> None:
    shown = unfinished_payment("ada", [_failed(1), _processing(2)])

    assert shown
    assert (shown.state, shown.since) == ("processing", _day(2))


def test_a_failure_is_old_news_once_the_user_has_paid_after_it() -> None:
    assert unfinished_payment("ada", [_failed(1), _paid(2)]) is None


def test_a_payment_that_fails_after_an_earlier_one_went_through_is_shown() -> None:
    shown = unfinished_payment("ada", [_paid(1), _failed(2)])

    assert shown
    assert shown.state == "failed"


def test_nothing_unfinished_shows_nothing() -> None:
    assert unfinished_payment("ada", [_paid(1)]) is None
    assert unfinished_payment("ada", []) is None
