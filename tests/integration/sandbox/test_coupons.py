"""Coupons and promotion codes: through the API, and on the hosted page."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
import stripe

from .test_pages import CARD, visit


def word() -> str:
    return f"CODE{uuid4().hex[:8]}".upper()


@pytest.fixture
def new_code(client):
    """A promotion code for a new coupon, and the coupon."""

    def make(coupon, **more):
        made = client.v1.coupons.create({"duration": "once", **coupon})
        return client.v1.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": made.id}, "code": word(), **more}
        ), made

    return make


def test_coupons_and_codes_are_changed_listed_and_deleted(client, new_code):
    code, coupon = new_code({"percent_off": 25})
    assert client.v1.coupons.update(coupon.id, {"name": "Spring", "metadata": {"k": "v"}}).name == "Spring"
    assert client.v1.coupons.retrieve(coupon.id).metadata.to_dict() == {"k": "v"}
    assert coupon.id in [each.id for each in client.v1.coupons.list().data]
    assert [each.id for each in client.v1.promotion_codes.list({"code": code.code.lower()}).data] == [code.id]
    assert [each.id for each in client.v1.promotion_codes.list({"coupon": coupon.id}).data] == [code.id]
    assert not client.v1.promotion_codes.update(code.id, {"active": False}).active
    assert client.v1.promotion_codes.list({"coupon": coupon.id, "active": True}).data == []
    gone = client.v1.coupons.delete(coupon.id)
    assert (gone.id, gone.deleted) == (coupon.id, True)
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        client.v1.coupons.retrieve(coupon.id)


def test_an_active_code_is_unique_whatever_its_case(client, new_code):
    code, _coupon = new_code({"percent_off": 25})
    with pytest.raises(stripe.InvalidRequestError, match=r"active promotion code with `code: .*already exists"):
        new_code({"percent_off": 10}, code=code.code.lower())
    client.v1.promotion_codes.update(code.id, {"active": False})
    assert new_code({"percent_off": 10}, code=code.code)[0].active


def test_a_coupon_that_was_used_up_is_not_valid_any_more(sandbox, client, new_session):
    coupon = client.v1.coupons.create({"percent_off": 50, "max_redemptions": 1})
    sandbox.pay(new_session(discounts=[{"coupon": coupon.id}]).id)
    found = client.v1.coupons.retrieve(coupon.id)
    assert (found.times_redeemed, found.valid) == (1, False)
    with pytest.raises(stripe.InvalidRequestError):
        new_session(discounts=[{"coupon": coupon.id}])


def test_the_page_takes_a_promotion_code_where_the_session_allows_it(client, new_session, new_code):
    code, coupon = new_code({"percent_off": 25})
    assert "Promotion code" not in visit(new_session().url)[2]
    session = new_session(allow_promotion_codes=True)
    text = visit(session.url)[2]
    assert re.search(r"<label for=\"promotion_code\">Promotion code</label>", text)
    assert re.search(r"<button[^>]*>Apply</button>", text)
    assert visit(f"{session.url}/promotion_code", {"promotion_code": f" {code.code.lower()} "})[0] == 303
    text = visit(session.url)[2]
    assert re.search(r"<button[^>]*>Pay \$36\.75</button>", text)
    assert code.code in text
    assert visit(session.url, CARD)[0] == 303
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.amount_subtotal, found.amount_total, found.total_details.amount_discount) == (4900, 3675, 1225)
    assert [(each.coupon, each.promotion_code) for each in found.discounts] == [(coupon.id, code.id)]
    assert client.v1.promotion_codes.retrieve(code.id).times_redeemed == 1
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 1


def test_a_code_of_a_hundred_percent_asks_for_no_card_and_makes_no_payment(client, new_session, new_code):
    code, _ = new_code({"percent_off": 100})
    session = new_session(allow_promotion_codes=True)
    visit(f"{session.url}/promotion_code", {"promotion_code": code.code})
    assert "Card number" not in visit(session.url)[2]
    assert visit(session.url, {"email": "free@example.com"})[0] == 303
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.status, found.payment_status, found.payment_intent) == ("complete", "no_payment_required", None)
    assert (found.amount_subtotal, found.amount_total, found.total_details.amount_discount) == (4900, 0, 4900)


def test_an_applied_code_can_be_taken_off_again(client, new_session, new_code):
    code, _ = new_code({"percent_off": 100})
    session = new_session(allow_promotion_codes=True)
    visit(f"{session.url}/promotion_code", {"promotion_code": code.code})
    assert visit(f"{session.url}/promotion_code", {"remove": "yes"})[0] == 303
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.amount_total, found.payment_status, found.discounts) == (4900, "unpaid", [])


@pytest.mark.parametrize("case", ["unknown", "inactive", "expired", "minimum", "somebody else's", "other currency"])
def test_a_code_that_does_not_apply_is_said_and_changes_nothing(client, new_session, new_code, case):
    other = client.v1.customers.create({"email": "other@example.com"})
    more = {
        "inactive": {"active": False},
        "expired": {"expires_at": 1_700_000_000},
        "minimum": {"restrictions": {"minimum_amount": 9900, "minimum_amount_currency": "usd"}},
        "somebody else's": {"customer": other.id},
    }.get(case, {})
    off = {"amount_off": 900, "currency": "eur"} if case == "other currency" else {"percent_off": 25}
    code = "NOBODYKNOWSTHIS" if case == "unknown" else new_code(off, **more)[0].code
    session = new_session(allow_promotion_codes=True)
    status, _, text = visit(f"{session.url}/promotion_code", {"promotion_code": code})
    assert status == 422
    assert 'role="alert"' in text
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 4900


def test_pay_takes_a_promotion_code_too(sandbox, new_session, new_code):
    code, _ = new_code({"amount_off": 900, "currency": "usd"})
    body = {"outcome": "paid", "promotion_code": code.code}
    answer = sandbox.control("POST", f"/checkout/{new_session(allow_promotion_codes=True).id}/pay", body)
    assert (answer["amount_subtotal"], answer["amount_total"]) == (4900, 4000)
    status, refusal = sandbox.http("POST", f"/_sandbox/checkout/{new_session().id}/pay", body)
    assert (status, refusal["error"]["param"]) == (400, "promotion_code")


def test_a_coupon_deleted_while_a_session_is_open_keeps_its_promise(sandbox, client, new_session, new_code):
    code, coupon = new_code({"percent_off": 25})
    session = new_session(allow_promotion_codes=True, automatic_tax={"enabled": True})
    visit(f"{session.url}/promotion_code", {"promotion_code": code.code})
    client.v1.coupons.delete(coupon.id)
    answer = sandbox.pay(session.id)
    assert (answer["payment_status"], answer["total_details"]["amount_discount"]) == ("paid", 1225)
    assert not client.v1.promotion_codes.retrieve(code.id).active
