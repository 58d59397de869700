"""What restore and confirm answer alike: an outcome, and the key ``reason`` only where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from account_gateway.entrypoints.api import errors as api_errors
from account_gateway.entrypoints.api.documentation import json_answers
from account_gateway.entrypoints.api.errors import ErrorExample
from atlas_contracts.public_api import ConfirmResult, RestoreResult
from atlas_kit.http.answers import JSON

_ENTITLEMENT = {"isPro": True, "status": "active", "source": "stripe", "updatedAt": "2026-11-23T10:00:01.250Z"}


def outcome_answers(outcome: str, invalid: str, *further: ErrorExample, unavailable: str) -> dict[int | str, Any]:
    """The documented answers of a route that reads again at Stripe: ``outcome`` is the example's."""
    return json_answers(
        {"ok": True, "data": {"outcome": outcome, "entitlement": _ENTITLEMENT}},
        api_errors.invalid_example(invalid),
        api_errors.UNAUTHENTICATED,
        api_errors.FORBIDDEN,
        *further,
        api_errors.TOO_MANY,
        api_errors.BODY_TOO_LARGE,
        api_errors.unavailable_example(unavailable),
    )


def with_reason(result: ConfirmResult | RestoreResult, headers: Mapping[str, str]) -> Response:
    """The answer; its other keys may well be null."""
    absent = {"reason"} if result.reason is None else None
    body = f'{{"ok":true,"data":{result.model_dump_json(by_alias=True, exclude=absent)}}}'
    return Response(body, media_type=JSON, headers=headers)
