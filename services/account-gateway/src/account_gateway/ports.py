"""What the gateway needs from outside, as its routes see it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from pydantic import BaseModel
from starlette.datastructures import Headers

ModelT = TypeVar("ModelT", bound=BaseModel)


class Sessions(Protocol):
    """Finds the user of a request's session (account_gateway.session: EncryptedSessions, StoredSessions).

    The session is the only identity: no other header, parameter or body field names a user.
    """

    async def user_of(self, headers: Headers) -> str | None:
        """The user id of a valid session, None without one. Raises Unavailable where sessions can't be looked up."""

    async def check(self) -> None:
        """Readiness: raises when sessions can't be looked up."""


class ReadsService(Protocol):
    """Reads from another service on behalf of a user (account_gateway.adapters.lean_client.LeanClient)."""

    async def get(self, path: str, subject: str, answer: type[ModelT], *, seconds: float = ...) -> ModelT:
        """GET ``path`` for user ``subject``, for at most so many ``seconds``.

        Raises what the other service says to the user (an AtlasError), or Unavailable.
        """


class ReadsEntitlements(Protocol):
    """Reads users' entitlements (account_gateway.adapters.entitlement_reads.EntitlementReads)."""

    async def read(self, user_id: str, answer: type[ModelT]) -> ModelT:
        """The user's entitlement, as it stands after this was called, in the model that the caller needs.

        Raises what the entitlements service says to the user (an AtlasError), or Unavailable.
        """


class AsksService(ReadsService, Protocol):
    """Reads from and posts to another service on behalf of a user (atlas_kit.http.client.ServiceClient)."""

    async def post(
        self, path: str, subject: str, answer: type[ModelT], body: BaseModel | None = None, *, seconds: float = ...
    ) -> ModelT:
        """POST ``body`` to ``path``; the rest as for ``get``."""
