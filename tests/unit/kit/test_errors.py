from __future__ import annotations

import json

import pytest

from atlas_contracts.public_api import Recovery
from atlas_kit.http.answers import error_response, ok, ok_json
from atlas_kit.http.errors import (
    AtlasError,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)

TABLE = [
    (AtlasError, 500, "internal_error", "Internal server error.", "retry"),
    (InvalidRequest, 400, "invalid_request", "Invalid request.", "update_input"),
    (Unauthorized, 401, "unauthorized", "Not authenticated.", "reauth"),
    (Forbidden, 403, "forbidden", "Forbidden.", "none"),
    (NotFound, 404, "not_found", "Not found.", "none"),
    (RateLimited, 429, "rate_limited", None, "retry_later"),
    (Unavailable, 503, "internal_error", None, "retry_later"),
]


@pytest.mark.parametrize(("kind", "status", "code", "message", "recovery"), TABLE)
def test_each_error_has_its_status_code_and_recovery(kind, status, code, message, recovery) -> None:
    answer = error_response(kind())
    said = json.loads(bytes(answer.body))
    assert answer.status_code == status
    assert said["ok"] is False
    assert set(said["error"]) == {"code", "message", "recovery"}
    assert (said["error"]["code"], said["error"]["recovery"]) == (code, recovery)
    assert message is None or said["error"]["message"] == message


def test_an_error_may_say_more_exactly_what_to_do() -> None:
    answer = error_response(InvalidRequest("Pro is already active.", recovery=Recovery.NONE, headers={"x": "y"}, status=409))
    assert answer.status_code == 409
    assert answer.headers["x"] == "y"
    assert json.loads(bytes(answer.body))["error"] == {
        "code": "invalid_request",
        "message": "Pro is already active.",
        "recovery": "none",
    }


def test_a_success_wears_the_envelope_in_camel_case() -> None:
    from atlas_contracts.public_api import RestoreResult, WebhookReceipt

    assert "dedupeReason" in bytes(ok(WebhookReceipt(ignored=False)).body).decode()
    assert json.loads(bytes(ok_json([1]).body)) == {"ok": True, "data": [1]}
    assert RestoreResult.model_fields
