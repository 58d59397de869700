"""Answers whose key ``reason`` exists only where there is one; their other keys may well be null."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from atlas_contracts.public_api import ConfirmResult, RestoreResult
from atlas_kit.answers import JSON


def with_reason(result: ConfirmResult | RestoreResult, headers: Mapping[str, str]) -> Response:
    absent = {"reason"} if result.reason is None else None
    body = f'{{"ok":true,"data":{result.model_dump_json(by_alias=True, exclude=absent)}}}'
    return Response(body, media_type=JSON, headers=headers)
