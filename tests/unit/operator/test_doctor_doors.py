"""What the doctor makes of the services' figures; whatever could not be asked is never ✓."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from atlas_operator.doctor import doors
from atlas_operator.doctor.finding import Finding
from atlas_operator.doctor.signs import Signs
from atlas_operator.errors import CallFailed

SHARES = {"received": 100, "wrongSignature": 0, "outsideTolerance": 0, "unsigned": 0, "thin": 0, "accountKnown": True}
PULL: dict[str, Any] = {"ageSeconds": 12, "failed": None}
REVIEWS: dict[str, Any] = {"refused": [], "fraudWarnings": []}


class Services:
    def __init__(self, **answers: Any) -> None:
        self.answers = {"webhook_shares": SHARES, "pull": PULL, "reviews": REVIEWS} | answers

    def get(self, _service: str, path: str) -> Any:
        answer = self.answers[path.rpartition("/")[2].replace("-", "_")]
        if isinstance(answer, Exception):
            raise answer
        return answer


def look(**answers: Any) -> list[Finding]:
    services: Any = Services(**answers)
    with ThreadPoolExecutor(1) as pool:
        reports = doors.look(services, ["webhook-ingest", "entitlements"], Signs(pool, {}, {}))
    return [finding for report in reports for finding in report.findings]


def bad(**answers: Any) -> list[Finding]:
    return [finding for finding in look(**answers) if finding.level != "ok"]


def test_where_nothing_is_wrong_everything_is_said_to_be_well() -> None:
    assert bad() == []
    assert len(look()) == 4


@pytest.mark.parametrize(
    ("kind", "count", "level", "remedy"),
    [
        ("wrongSignature", 30, "warning", "STRIPE_WEBHOOK_SECRET"),
        ("wrongSignature", 100, "error", "STRIPE_WEBHOOK_SECRET"),
        ("outsideTolerance", 2, "warning", "clock"),
        ("unsigned", 60, "error", "Stripe-Signature"),
        ("thin", 5, "warning", "Snapshot"),
    ],
)
def test_a_share_of_bad_webhooks_is_told_with_what_to_change(kind: str, count: int, level: str, remedy: str) -> None:
    (found,) = bad(webhook_shares=SHARES | {kind: count})
    assert (found.level, remedy in found.remedy) == (level, True)
    assert found.what.startswith(f"{count} of the last hour's 100 webhooks ({count}%) had")


def test_a_stranger_among_hundreds_is_no_finding_and_an_hour_without_webhooks_none_either() -> None:
    assert bad(webhook_shares=SHARES | {"received": 1000, "wrongSignature": 3}) == []
    assert bad(webhook_shares=SHARES | {"received": 0}) == []


def test_an_unknown_account_is_told_with_its_setting() -> None:
    (found,) = bad(webhook_shares=SHARES | {"accountKnown": False})
    assert "STRIPE_ACCOUNT_ID" in found.remedy


@pytest.mark.parametrize(
    ("reason", "level"),
    [("stripe_permission", "error"), ("stripe_key_refused", "error"), ("unforeseen", "error"), ("stripe_unavailable", "warning")],
)
def test_a_pull_that_fails_is_told_by_its_reason(reason: str, level: str) -> None:
    (found,) = bad(pull=PULL | {"failed": {"reason": reason, "message": "No."}})
    assert (found.level, reason in found.what, bool(found.remedy)) == (level, True, True)


def test_a_pull_that_never_was_or_was_long_ago_is_told() -> None:
    (found,) = bad(pull=PULL | {"ageSeconds": None})
    assert "never been read" in found.what
    (found,) = bad(pull=PULL | {"ageSeconds": 7200})
    assert "2.0 h ago" in found.what


def test_money_that_was_refused_and_warnings_of_fraud_name_user_payment_and_reason() -> None:
    refused = {"userId": "ada", "checkoutSessionId": "cs_1", "paymentIntentId": "pi_1", "reason": "amount_differs"}
    warning = {"userId": "bob", "paymentIntentId": "pi_2", "chargeId": "ch_2"}
    first, second = bad(reviews={"refused": [refused], "fraudWarnings": [warning]})
    assert first.level == "error" and all(name in first.what for name in ("ada", "cs_1", "amount_differs"))
    assert second.level == "warning" and "pi_2 of bob" in second.what
    assert first.remedy and second.remedy


def test_a_warning_of_fraud_about_money_that_went_back_is_told_no_more() -> None:
    warnings = [{"userId": "bob", "paymentIntentId": f"pi_{n}", "actionable": said} for n, said in enumerate((True, None, False))]
    assert [found.what.partition("pi_")[2] for found in bad(reviews={"refused": [], "fraudWarnings": warnings})] == ["0 of bob", "1 of bob"]


def test_of_many_refused_payments_the_rest_is_counted() -> None:
    rows = [{"userId": f"u{n}", "checkoutSessionId": f"cs_{n}", "reason": "r"} for n in range(30)]
    assert bad(reviews={"refused": rows, "fraudWarnings": []})[-1].what == "and 10 more payments that were refused"


@pytest.mark.parametrize("answer", [CallFailed("entitlements answered 404: Not found.", 404), {"what": "else"}, "text"])
@pytest.mark.parametrize("name", ["webhook_shares", "pull", "reviews"])
def test_what_could_not_be_asked_is_never_well(name: str, answer: Any) -> None:
    well = len([finding for finding in look() if finding.level == "ok"])
    findings = look(**{name: answer})
    expected = {"webhook_shares": 1, "pull": 1, "reviews": 2}[name]
    assert len([finding for finding in findings if finding.level == "ok"]) == well - expected
    assert any("not looked at" in finding.what and finding.remedy for finding in findings)
