"""Makes responses in the envelope that every answer of ours has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from atlas_contracts.public_api import Success
from atlas_kit.http.errors import AtlasError

JSON = "application/json"


def ok(data: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """``{"ok": true, "data": …}``, camelCase, dates in UTC with ``Z``."""
    body = data.model_dump_json(by_alias=True)
    return Response(f'{{"ok":true,"data":{body}}}', headers=headers, media_type=JSON)


def ok_json(data: Any) -> Response:
    """Like :func:`ok` for plain JSON values."""
    return Response(Success[Any](data=data).model_dump_json(by_alias=True), media_type=JSON)


def error_response(error: AtlasError) -> Response:
    """``{"ok": false, "error": {code, message, recovery}}`` with the error's status and headers."""
    return Response(
        error.envelope().model_dump_json(), status_code=error.http_status, headers=error.headers, media_type=JSON
    )
