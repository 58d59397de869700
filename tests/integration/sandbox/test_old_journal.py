"""A journal that the first edition of the sandbox wrote is read, and its objects are brought to today's shape."""

from __future__ import annotations

import pathlib
import re
import time

import pytest
from tests.support.stripe_types.check import problems

from .life import LISTS
from .raw import Raw

JOURNAL = pathlib.Path(__file__).with_name("journal_of_the_first_edition.jsonl")
WRITTEN = 1_795_694_957
"""Seconds since 1970 of the journal's first line."""


@pytest.fixture
def old(start_sandbox, state_directory):
    state_directory.mkdir()
    (state_directory / "state.jsonl").write_text(of_today(JOURNAL.read_text()))
    return start_sandbox("--state-dir", str(state_directory))


def of_today(journal: str) -> str:
    """The same as if it had been written now: else its open sessions are past their 24 hours."""
    later = int(time.time()) - WRITTEN
    return re.sub(r"(?<=:)1795\d{6}\b", lambda found: str(int(found[0]) + later), journal)


def test_its_objects_are_of_todays_types(old):
    raw = Raw(old.url)
    for name in LISTS:
        raw.get(f"/v1/{name}", limit=100)
    assert sum(len(answer["data"]) for answer in raw.answers) > 30
    assert [problem for answer in raw.answers for problem in problems(answer)] == []


def test_objects_of_an_old_journal_can_still_be_used(old):
    raw = Raw(old.url)
    sessions = raw.get("/v1/checkout/sessions", limit=100)["data"]
    for session in [each for each in sessions if each["status"] == "open"]:
        assert old.pay(session["id"])["payment_status"] == "paid"
    [refund] = [each for each in raw.get("/v1/refunds")["data"] if each["status"] == "succeeded"]
    assert old.control("POST", f"/refunds/{refund['id']}/fail")["status"] == "failed"
    [dispute] = raw.get("/v1/disputes")["data"]
    assert old.control("POST", f"/disputes/{dispute['id']}", {"status": "won"})["status"] == "won"
    for product in raw.get("/v1/products")["data"]:
        raw.post(f"/v1/products/{product['id']}", tax_details={"tax_code": "txcd_1"})
    [link] = raw.get("/v1/payment_links")["data"]
    assert old.control("POST", "/payment_links/pay", {"payment_link": link["id"]})["status"] == "complete"
    events = raw.get("/v1/events", limit=100)
    assert problems(events) == []
