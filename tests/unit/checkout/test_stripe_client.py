"""The one client of Stripe is closed with the service: no connection outlives it."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from checkout.adapters.stripe_gateway import StripeGateway

pytestmark = pytest.mark.anyio


async def test_closing_ends_every_connection_to_stripe(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[aiohttp.ClientSession] = []
    original = aiohttp.ClientSession.__init__

    def noted(self: aiohttp.ClientSession, *args: object, **more: object) -> None:
        made.append(self)
        original(self, *args, **more)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", noted)

    async def customer(_request: web.Request) -> web.Response:
        return web.json_response({"id": "cus_1", "object": "customer", "metadata": {}})

    app = web.Application()
    app.router.add_get("/v1/customers/cus_1", customer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    gateway = StripeGateway(SecretStr("sk_test_x"), f"http://127.0.0.1:{port}")
    try:
        assert (await gateway.read_customer("cus_1")).id == "cus_1"
        assert made and not any(session.closed for session in made)
        await gateway.close()
        assert all(session.closed for session in made)
    finally:
        await runner.cleanup()
