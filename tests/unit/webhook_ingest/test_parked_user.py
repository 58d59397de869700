"""Whom a parked event speaks of; it made no sense, so nothing in it can be relied upon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_contracts.parked import ParkedData
from webhook_ingest.domain.parked_user import user_of


def parked(kind: Any, payload: Any) -> ParkedData:
    return ParkedData(
        id="p", kind=kind, reason="malformed_object", detail="", subject="s", event_id="evt_1", at=datetime.now(UTC), payload=payload
    )


@pytest.mark.parametrize(
    ("kind", "payload", "user"),
    [
        ("stripe_event", {"data": {"object": {"metadata": {"userId": "ada"}, "client_reference_id": "bob"}}}, "ada"),
        ("stripe_event", {"data": {"object": {"metadata": None, "client_reference_id": "bob"}}}, "bob"),
        ("billing_event", {"data": {"userId": "ada"}, "subject": "pi_1"}, "ada"),
        ("billing_event", {"subject": "ada"}, "ada"),
        ("stripe_event", {"data": {"object": {"metadata": {"userId": ["ada"]}}}}, None),
        ("stripe_event", {"data": [1]}, None),
        ("billing_event", "no JSON at all", None),
        ("billing_event", {}, None),
    ],
)
def test_the_user_is_read_where_it_is_told(kind: str, payload: Any, user: str | None) -> None:
    assert user_of(parked(kind, payload)) == user
