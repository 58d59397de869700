"""Who is Pro, asked over HTTP: for a service that needs an answer now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from atlas_client.state import instant
from atlas_client.token import TokenMint

MAX_USERS = 500
"""Users in one question: the service takes no more."""
PAUSES_SECONDS = (0.2, 0.5, 1.0)
"""Between the tries while the service or its database doesn't answer."""


@dataclass(frozen=True, slots=True)
class EntitlementRecord:
    """The service's answer about one user. Of somebody unknown: status none, version 0."""

    user_id: str
    product_key: str
    is_pro: bool
    status: str
    source: str | None
    active_from: datetime | None
    active_until: datetime | None
    version: int
    reason: str | None
    updated_at: datetime | None


class EntitlementReadError(Exception):
    """The question was not answered; the message says why.

    ``status``: 400, 401 (key, clock, lifetime or audience of the token), 403 (not admitted), 503 and so on; None when
    nothing answered. ``request_id``: what to quote in a support case. Keep what you knew while it is 503 or None.
    """

    def __init__(self, message: str, status: int | None = None, code: str = "network", request_id: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.request_id = status, code, request_id


class EntitlementReader:
    """Asks the entitlements service. Every question raises EntitlementReadError when it isn't answered."""

    def __init__(
        self, base_url: str, issuer: str, signing_key: str | Mapping[str, Any], *, timeout_seconds: float = 5.0
    ) -> None:
        """``issuer``: the name under which your service was admitted; ``signing_key``: its private key (JWK or PEM)."""
        self._mint = TokenMint(issuer, signing_key)
        self._http = httpx.AsyncClient(base_url=base_url.rstrip("/"), timeout=timeout_seconds, trust_env=False)

    async def get(self, user_id: str) -> EntitlementRecord:
        """One user."""
        if not user_id.strip("."):  # such a path would be shortened on its way
            return (await self.query([user_id]))[user_id]
        return _record(await self._ask("GET", f"/v1/entitlements/{quote(user_id, safe='')}"))

    async def query(self, user_ids: Iterable[str]) -> dict[str, EntitlementRecord]:
        """Any number of users, asked for in parts of 500."""
        wanted = list(dict.fromkeys(user_ids))
        found: dict[str, EntitlementRecord] = {}
        for begin in range(0, len(wanted), MAX_USERS):
            part = wanted[begin : begin + MAX_USERS]
            answer = await self._ask("POST", "/v1/entitlements/query", {"userIds": part})
            found |= {record.user_id: record for record in map(_record, _listed(answer))}
        if missing := [user for user in wanted if user not in found]:
            raise EntitlementReadError(f"The answer lacks {len(missing)} of the users.", 200, "bad_answer")
        return found

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        for pause in (*PAUSES_SECONDS, None):
            try:
                headers = {"Authorization": f"Bearer {self._mint.token()}"}
                answer = await self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                failure = EntitlementReadError(f"The entitlements service does not answer: {type(error).__name__}.")
            else:
                if answer.status_code == httpx.codes.OK:
                    return _json(answer)
                failure = _failure(answer)
            if pause is None or failure.status not in {None, 502, 503, 504}:
                raise failure
            await asyncio.sleep(pause)
        raise AssertionError("the last try has no pause")


def _failure(answer: httpx.Response) -> EntitlementReadError:
    try:
        told = answer.json()["error"]
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, LookupError, TypeError):
        code, message = "bad_answer", "The answer is not the entitlements service's."
    text = f"{answer.status_code} {code}: {message}"
    return EntitlementReadError(text, answer.status_code, code, answer.headers.get("x-request-id", ""))


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise EntitlementReadError("The answer is not JSON.", answer.status_code, "bad_answer") from error


def _listed(answer: Any) -> list[Any]:
    listed = answer.get("entitlements") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise EntitlementReadError("The answer has another shape.", 200, "bad_answer")
    return listed


def _record(told: Any) -> EntitlementRecord:
    try:
        return EntitlementRecord(
            user_id=told["userId"],
            product_key=told["productKey"],
            is_pro=told["isPro"] is True,
            status=told["status"],
            source=told["source"],
            active_from=instant(told["activeFrom"]),
            active_until=instant(told["activeUntil"]),
            version=told["version"],
            reason=told["reason"],
            updated_at=instant(told["updatedAt"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise EntitlementReadError("The answer has another shape.", 200, "bad_answer") from error
