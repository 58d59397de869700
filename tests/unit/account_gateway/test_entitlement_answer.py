"""The lean answer of the hot read is the typed one, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from account_gateway.entrypoints.api.entitlement import EntitlementNow
from atlas_contracts.internal_api import EntitlementView

VIEW = {
    "userId": "user_1", "isPro": True, "status": "active", "source": "stripe", "activeFrom": "2026-11-23T10:00:00Z",
    "activeUntil": None, "version": 3, "reason": "purchase", "updatedAt": "2026-11-23T10:00:00.120Z",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"isPro": False, "status": "none", "source": None, "activeFrom": None, "version": 0, "updatedAt": None},
        {"isPro": False, "status": "revoked", "source": "android_iap", "activeUntil": "2026-11-24T00:00:00Z"},
        {"source": "manual", "activeFrom": "2026-11-23T10:00:00.999123+00:00"},
        {"aFieldOfANewerService": 1},
    ],
    ids=str,
)
def test_both_ways_write_the_same(changes: dict[str, Any]) -> None:
    internal = EntitlementView.model_validate(
        dict((VIEW | changes).items())
    ).model_dump_json(by_alias=True)
    typed = EntitlementView.model_validate_json(internal).public().model_dump_json(by_alias=True)
    assert EntitlementNow.model_validate_json(internal).model_dump_json(by_alias=True) == typed
