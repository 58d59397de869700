"""How one service calls another: aiohttp, internal token, request id, a time limit, our own errors."""

from __future__ import annotations

from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from atlas_contracts.public_api import ErrorEnvelope
from atlas_kit.http.errors import BY_CODE, AtlasError, Unavailable
from atlas_kit.http.identity import TokenMint
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.work import calling, got

DEFAULT_SECONDS = 5.0
CONNECTIONS = 128

THE_USERS = frozenset({400, 404, 409, 429, 500})
"""Statuses of error answers that are meant for the user and are passed on."""

log = get_logger()
ModelT = TypeVar("ModelT", bound=BaseModel)


class ServiceClient:
    """Calls one other service on behalf of a user. Use it as a context manager, which owns the connections."""

    def __init__(self, base_url: str, audience: str, mint: TokenMint) -> None:
        self._base_url, self._audience, self._mint = base_url, audience, mint
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str, subject: str, answer: type[ModelT], *, seconds: float = DEFAULT_SECONDS) -> ModelT:
        """GET ``path`` for user ``subject``, within ``seconds``. Raises the other service's error, or Unavailable."""
        return await self._ask("GET", path, subject, answer, None, seconds)

    async def post(
        self,
        path: str,
        subject: str,
        answer: type[ModelT],
        body: BaseModel | None = None,
        *,
        seconds: float = DEFAULT_SECONDS,
    ) -> ModelT:
        """POST ``body`` to ``path`` for user ``subject``, within ``seconds``.

        Raises the other service's error, or Unavailable; the other service may have done it all the same.
        """
        return await self._ask("POST", path, subject, answer, body, seconds)

    async def _ask(
        self, method: str, path: str, subject: str, answer: type[ModelT], body: BaseModel | None, seconds: float
    ) -> ModelT:
        with calling(method, self._base_url) as span:
            status, payload, retry_after = await self._answer(method, path, subject, body, seconds)
            got(span, status)
        return read_answer(status, payload, answer, retry_after)

    async def _answer(
        self, method: str, path: str, subject: str, body: BaseModel | None, seconds: float
    ) -> tuple[int, bytes, str | None]:
        """Status, body and ``retry-after`` of the answer. Raises Unavailable."""
        assert self._session, "use the client as a context manager"
        headers = {
            "authorization": f"Bearer {self._mint.token(self._audience, subject)}",
            "x-request-id": context.current_request_id(),
            "traceparent": context.current_traceparent(),
        }
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = body.model_dump_json(by_alias=True).encode()
        try:
            async with self._session.request(
                method,
                URL(self._base_url + path, encoded=True),  # a user id in it stays as it was encoded
                headers=headers,
                data=data,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                return response.status, await response.read(), response.headers.get("retry-after")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable from error
        except RuntimeError as error:
            if not self._session.closed:
                raise
            raise Unavailable from error  # aiohttp raises RuntimeError on a closed session: this process is ending


def read_answer(status: int, payload: bytes, answer: type[ModelT], retry_after: str | None) -> ModelT:
    """The model in another service's answer. Raises the error in it, or Unavailable if the answer can't be read."""
    try:
        if status < HTTPStatus.BAD_REQUEST:
            return answer.model_validate_json(payload)
        raise _as_error(status, ErrorEnvelope.model_validate_json(payload), retry_after)
    except ValidationError as error:
        raise Unavailable from error


def _as_error(status: int, envelope: ErrorEnvelope, retry_after: str | None) -> AtlasError:
    """The error to raise for another service's error answer.

    Errors meant for the user (THE_USERS, 503) are passed on with their message. Other errors concern the call between
    the services (a refused token, say) and don't belong to the user, who gets Unavailable.
    """
    headers: dict[str, Any] = {"retry-after": retry_after} if retry_after else {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Unavailable(envelope.error.message, recovery=envelope.error.recovery, headers=headers)
    if status not in THE_USERS:
        log.warning("service.refused", status=status, code=envelope.error.code.value)
        return Unavailable(headers=headers)
    kind = BY_CODE[envelope.error.code]
    return kind(envelope.error.message, recovery=envelope.error.recovery, headers=headers, status=status)
