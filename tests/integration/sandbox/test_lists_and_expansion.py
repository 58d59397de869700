"""Cursors, filters, expansion and search."""

from __future__ import annotations

import time
import uuid

import pytest
import stripe


@pytest.fixture
def seven(client):
    email = f"{uuid.uuid4()}@example.com"
    made = [client.v1.customers.create({"email": email, "metadata": {"n": str(n)}}).id for n in range(7)]
    return email, made


def test_pages_go_from_newest_to_oldest(client, seven):
    email, made = seven
    page = client.v1.customers.list({"email": email, "limit": 3})
    assert [each.id for each in page.data] == made[:3:-1]
    assert page.has_more
    assert page.url == "/v1/customers"
    page = client.v1.customers.list({"email": email, "limit": 5, "starting_after": made[4]})
    assert [each.id for each in page.data] == made[3::-1]
    assert not page.has_more


def test_ending_before_goes_back_to_the_page_before(client, seven):
    email, made = seven
    page = client.v1.customers.list({"email": email, "limit": 2, "ending_before": made[2]})
    assert [each.id for each in page.data] == [made[4], made[3]]
    assert page.has_more


def test_auto_paging_meets_each_object_once(client, seven):
    email, made = seven
    found = [each.id for each in client.v1.customers.list({"email": email, "limit": 2}).auto_paging_iter()]
    assert found == made[::-1]


def test_limits_and_cursors_are_checked(client):
    for bad in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_none"}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.customers.list(bad)
        assert caught.value.http_status == 400


def test_created_narrows(client, seven):
    email, made = seven
    now = int(time.time())
    assert len(client.v1.customers.list({"email": email, "created": {"gte": now - 60, "lte": now + 1}}).data) == 7
    assert client.v1.customers.list({"email": email, "created": {"gt": now + 60}}).data == []
    assert client.v1.customers.list({"email": email, "created": {"lt": now - 60}}).data == []
    created = client.v1.customers.retrieve(made[0]).created
    assert made[0] in [each.id for each in client.v1.customers.list({"email": email, "created": created}).data]


def test_sessions_are_found_by_customer_status_and_payment_intent(sandbox, client, new_session):
    customer = client.v1.customers.create({}).id
    open_one, done = new_session(customer=customer), new_session(customer=customer)
    sandbox.pay(done.id)
    listed = client.v1.checkout.sessions.list
    assert {each.id for each in listed({"customer": customer}).data} == {open_one.id, done.id}
    assert [each.id for each in listed({"customer": customer, "status": "open"}).data] == [open_one.id]
    intent = client.v1.checkout.sessions.retrieve(done.id).payment_intent
    assert [each.id for each in listed({"payment_intent": intent}).data] == [done.id]
    assert listed({"payment_intent": "pi_none"}).data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        listed({"customer": "cus_none"})
    assert caught.value.code == "resource_missing"


def test_charges_refunds_and_disputes_are_found_by_their_payment(sandbox, client, paid):
    session = paid()
    intent, charge = session.payment_intent.id, session.payment_intent.latest_charge.id
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    dispute = sandbox.control("POST", "/disputes", {"payment_intent": intent})
    for by in ({"payment_intent": intent}, {"charge": charge}):
        assert [each.id for each in client.v1.refunds.list(by).data] == [refund.id]
        assert [each.id for each in client.v1.disputes.list(by).data] == [dispute["id"]]
    assert [each.id for each in client.v1.charges.list({"payment_intent": intent}).data] == [charge]


def test_expansion_goes_down_several_levels(client, paid):
    session = paid(customer=client.v1.customers.create({"name": "Deep"}).id)
    found = client.v1.checkout.sessions.retrieve(
        session.id,
        {"expand": ["payment_intent.latest_charge.balance_transaction", "customer", "line_items.data.price.product"]},
    )
    assert found.payment_intent.latest_charge.balance_transaction.net == 4900 - 172
    assert found.customer.name == "Deep"
    assert found.line_items.data[0].price.product.name == "Atlas Pro (lifetime)"


def test_lists_expand_their_data(client, paid):
    session = paid(customer=client.v1.customers.create({}).id)
    customer = session.customer
    found = client.v1.checkout.sessions.list({"customer": customer, "expand": ["data.payment_intent.latest_charge"]})
    assert found.data[0].payment_intent.latest_charge.paid
    charges = client.v1.charges.list({"customer": customer, "expand": ["data.refunds"]})
    assert charges.data[0].refunds.data == []


def test_an_empty_field_stays_empty_when_expanded(new_session):
    session = new_session(expand=["payment_intent", "customer"])
    assert session.payment_intent is None
    assert session.customer is None


def test_what_cannot_be_expanded_is_refused(client):
    customer = client.v1.customers.create({"email": "a@b.co"})
    for path in ("email.x", "nonsense", "a.b.c.d.e"):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.retrieve(customer.id, {"expand": [path]})


def test_search_finds_by_metadata(client):
    user = f"it's {uuid.uuid4()}"
    customer = client.v1.customers.create({"metadata": {"userId": user}, "email": "search@example.com"})
    escaped = user.replace("'", "\\'")
    assert [each.id for each in client.v1.customers.search({"query": f"metadata['userId']:'{escaped}'"}).data] == [
        customer.id
    ]
    both = client.v1.customers.search({"query": f"email:'search@example.com' AND metadata[\"userId\"]:'{escaped}'"})
    assert [each.id for each in both.data] == [customer.id]
    assert (
        client.v1.customers.search({"query": f"-email:'search@example.com' AND metadata['userId']:'{escaped}'"}).data
        == []
    )
    for broken in ("userId", "metadata[userId]:'x'", "a:'b' AND c:'d' OR e:'f'", "created>"):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.search({"query": broken})


def test_a_deleted_customer_is_a_stub_and_in_no_list(client):
    email = f"{uuid.uuid4()}@example.com"
    customer = client.v1.customers.create({"email": email, "metadata": {"userId": email}})
    assert client.v1.customers.delete(customer.id).deleted
    assert client.v1.customers.retrieve(customer.id).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.customers.list({"email": email}).data == []
    assert client.v1.customers.search({"query": f"metadata['userId']:'{email}'"}).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(customer.id, {"name": "Zombie"})
