"""The pages by themselves, in any state: the gateway's own routes, templates and scripts over states of our choice.

For what a whole stack shows rarely or slowly (everything is down, a payment that failed), and for pictures of it all.
The visitor's cookie ``state`` names one of STATES.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.routing import Route

from account_gateway.entrypoints.api.guards import same_origin
from account_gateway.entrypoints.pages.dependencies import PageDependencies
from account_gateway.entrypoints.pages.dev_sign_in import dev_sign_in_routes
from account_gateway.entrypoints.pages.dev_sign_out import DEV_SIGN_OUT
from account_gateway.entrypoints.pages.not_found import unknown_path
from account_gateway.entrypoints.pages.routes import page_routes
from atlas_contracts.billing import Offer
from atlas_contracts.public_api import BillingOverview, Entitlement, PaymentState
from atlas_kit.http.answers import error_response, ok
from atlas_kit.http.app import with_edge
from atlas_kit.http.errors import Unauthorized, Unavailable

PREFIX = "ada-"
MOMENT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
NOTHING = Entitlement(is_pro=False, status="none", source=None, restored_at=None, updated_at=None)
PRO = Entitlement(is_pro=True, status="active", source="stripe", restored_at=MOMENT, updated_at=MOMENT)
ENDED = Entitlement(is_pro=False, status="revoked", source="stripe", restored_at=MOMENT, updated_at=MOMENT)
WITHDRAWN = Entitlement(is_pro=False, status="revoked", source="manual", restored_at=MOMENT, updated_at=MOMENT)


@dataclass(frozen=True)
class State:
    """What the gateway knows of the visitor; without an overview it can't say."""

    overview: BillingOverview | None
    signed_in: bool = True


def known(entitlement: Entitlement, payment: str | None = None, *, manage: bool = True) -> State:
    state = PaymentState(state=payment, since=MOMENT) if payment else None
    return State(BillingOverview(entitlement=entitlement, payment=state, can_manage_billing=manage))


STATES = {
    "signed-out": State(None, signed_in=False),
    "free": known(NOTHING, manage=False),
    "processing": known(NOTHING, "processing"),
    "needs-review": known(NOTHING, "needs_review"),
    "review-of-what-was-pro": known(ENDED, "needs_review"),
    "failed": known(NOTHING, "failed"),
    "pro": known(PRO),
    "pro-and-processing": known(PRO, "processing"),
    "revoked": known(ENDED),
    "withdrawn": known(WITHDRAWN, manage=False),
    "unavailable": State(None),
}


class ChosenSessions:
    """The session cookie is the state's name; so is the user id, as "ada-<state>"."""

    async def user_of(self, headers: Headers) -> str | None:
        name = cookie_parser(headers.get("cookie", "")).get("state", "signed-out")
        return PREFIX + name if STATES[name].signed_in else None

    async def check(self) -> None:
        return None


async def read_overview(user_id: str) -> BillingOverview:
    if (overview := STATES[user_id.removeprefix(PREFIX)].overview) is None:
        raise Unavailable
    return overview


async def offers() -> tuple[Offer, ...]:
    return (Offer(amount=4900, currency="usd"), Offer(amount=4500, currency="eur"))


async def read_entitlement(user_id: str) -> Entitlement:
    return (await read_overview(user_id)).entitlement


async def _entitlement(request: Request, sessions: ChosenSessions) -> Response:
    user_id = await sessions.user_of(request.headers)
    return ok(await read_entitlement(user_id)) if user_id else error_response(Unauthorized())


@contextlib.contextmanager
def gallery() -> Iterator[str]:
    """Serves the pages; gives their origin."""
    sessions = ChosenSessions()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        pages = PageDependencies(
            sessions=sessions,
            read_standing=read_overview,
            read_overview=read_overview,
            sign_in=lambda path: f"/dev/sign-in?callbackUrl={path}",
            offers=offers,
            sign_out=DEV_SIGN_OUT,
        )
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.include_router(page_routes(pages))
        app.include_router(dev_sign_in_routes(sessions, "s" * 32, same_origin(origin)))
        app.add_exception_handler(404, unknown_path(pages))
        app.router.routes.append(Route("/api/pro/entitlement", partial(_entitlement, sessions=sessions)))
        server = uvicorn.Server(uvicorn.Config(with_edge(app), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield origin
        finally:
            server.should_exit = True
            thread.join(10)
