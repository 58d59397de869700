"""Answers requests under ``/v1``: authentication, parameters, idempotency, the use case, expansion, the answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stripe_sandbox.behavior import ApiBehavior, RequestLog
from stripe_sandbox.errors import StripeError
from stripe_sandbox.expand import expanded
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.ids import new_id
from stripe_sandbox.operation import World
from stripe_sandbox.params import MAX_BODY_BYTES, as_json, decode
from stripe_sandbox.permissions import Permissions
from stripe_sandbox.routes import Route, find
from stripe_sandbox.schema import api_versions, check
from stripe_sandbox.settings import API_VERSION
from stripe_sandbox.store import Json
from stripe_sandbox.supported import require_supported

SERVER_ERROR = 500
LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """One API request after its parameters were checked."""

    request_id: str
    method: str
    path: str
    raw: Json
    key: str | None
    params: Json
    route: Route
    arguments: tuple[Any, ...]


@dataclass(slots=True)
class StripeApi:
    """Answers every request under ``/v1``."""

    world: World
    behavior: ApiBehavior
    log: RequestLog
    keys: IdempotencyKeys
    permissions: Permissions

    async def __call__(self, request: Request) -> Response:
        """The ASGI endpoint."""
        request_id = new_id("request")
        entry = self.noted(request)
        headers = {"Request-Id": request_id, "Stripe-Version": request.headers.get("stripe-version", API_VERSION)}
        try:
            status, body = await self.answer(request, request_id, headers, entry)
        except StripeError as error:
            status, body = error.status, error.envelope(request_id)
        except Exception:
            LOG.exception("request %s failed", request_id)
            status, body = (
                SERVER_ERROR,
                StripeError("An error occurred in the sandbox.", type="api_error").envelope(request_id),
            )
        entry["status"] = status
        # The clock that also dates events, read after the answer was made: no answer is older than what it shows.
        headers["Date"] = formatdate(self.world.clock(), usegmt=True)
        return Response(json.dumps(body, ensure_ascii=False), status, headers, "application/json")

    async def answer(self, request: Request, request_id: str, headers: dict[str, str], entry: Json) -> tuple[int, Json]:
        """Status and body of the answer; adds to ``headers`` and to the log ``entry``."""
        encoded = await encoded_params(request)
        entry["params"] = noted_params(encoded)
        self.authenticate(request)
        check_version(request.headers.get("stripe-version"))
        self.permissions.check(request.method, request.url.path, self.world.settings.secret_key)
        raw = decode(encoded)
        if self.behavior.latency_ms and (request.method != "POST" or not request.headers.get("idempotency-key")):
            await asyncio.sleep(self.behavior.latency_ms / 1000)
        call = self.understand(request, request_id, raw)
        if call.key is None:
            return self.perform(call)
        headers.update({"Idempotency-Key": call.key, "Original-Request": request_id})
        return await self.once(call, call.key, headers)

    async def once(self, call: Call, key: str, headers: dict[str, str]) -> tuple[int, Json]:
        """Perform the call under an idempotency key, or repeat the answer that was given for this key before."""
        known = self.keys.begin(key, call.path, call.raw, self.world.clock())
        if known is not None:
            headers.update({"Idempotent-Replayed": "true", "Original-Request": known["request"]})
            if known["status"] >= SERVER_ERROR:
                headers["Stripe-Should-Retry"] = "false"
            return known["status"], known["body"]
        try:
            if self.behavior.latency_ms:
                await asyncio.sleep(self.behavior.latency_ms / 1000)
            try:
                status, body = self.perform(call)
            except Refused as refused:
                raise refused.error from None
            except StripeError as error:
                status, body = error.status, error.envelope(call.request_id)
                if status >= SERVER_ERROR:
                    headers["Stripe-Should-Retry"] = "false"
            self.keys.finish(key, call.path, call.raw, status, body, call.request_id, self.world.clock())
        finally:
            self.keys.release(key)
        return status, body

    def understand(self, request: Request, request_id: str, raw: Json) -> Call:
        """Find the route and check the parameters."""
        found = find(request.method, request.url.path)
        if found is None:
            raise StripeError(
                f"Unrecognized request URL ({request.method}: {request.url.path}). If you are trying to list objects, "
                "remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid "
                "(non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at "
                "https://support.stripe.com/.",
                status=404,
            )
        route, arguments = found
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        params = check(route.params, raw)
        require_supported(route.params, params)
        return Call(request_id, request.method, request.url.path, raw, key, params, route, arguments)

    def perform(self, call: Call) -> tuple[int, Json]:
        """Run the use case, and fail before or after it if a failure was ordered for this call."""
        failure = self.behavior.take_failure()
        if failure is not None and not self.behavior.after_effect:
            raise Refused(failure)
        with self.world.operation(call.request_id, call.key) as op:
            params = {name: value for name, value in call.params.items() if name != "expand"}
            body = call.route.handler(op, params, *call.arguments)
            body = expanded(self.world.store, body, call.params.get("expand", []))
        if failure is not None:
            raise failure
        return 200, json.loads(json.dumps(body)) if call.key else body

    def authenticate(self, request: Request) -> None:
        """Check the secret key, sent as a bearer token or as the user of basic authentication. Raises StripeError."""
        given = presented_key(request.headers.get("authorization", ""))
        if not given:
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
                "https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
                status=401,
            )
        if not hmac.compare_digest(given.encode(), self.world.settings.secret_key.encode()):
            raise StripeError(f"Invalid API Key provided: {redacted(given)}", status=401)

    def noted(self, request: Request) -> Json:
        """A new entry of ``GET /_sandbox/requests``; parameters and status come later."""
        at = datetime.fromtimestamp(self.world.clock(), UTC).isoformat(timespec="milliseconds")
        entry: Json = {
            "method": request.method,
            "path": request.url.path,
            "params": {},
            "idempotencyKey": request.headers.get("idempotency-key"),
            "stripeVersion": request.headers.get("stripe-version"),
            "status": None,
            "at": at.replace("+00:00", "Z"),
        }
        self.log.entries.append(entry)
        return entry


class Refused(StripeError):
    """A failure before any effect: it is not stored under an idempotency key."""

    def __init__(self, error: StripeError) -> None:
        super().__init__(error.message, status=error.status, type=error.type, code=error.code)
        self.error = error


async def encoded_params(request: Request) -> str:
    """The query of a GET or DELETE, the form body of a POST."""
    query = request.url.query
    if request.method != "POST":
        return query
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise StripeError("The request body is too large.", status=413)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise StripeError("Invalid UTF-8 in request body.") from None
    return "&".join(part for part in (query, text) if part)


def noted_params(encoded: str) -> Json:
    """Parameters for the request log; empty when they can't be read (later the call is refused for that)."""
    try:
        noted: Json = as_json(decode(encoded))
    except StripeError:
        return {}
    return noted


def check_version(given: str | None) -> None:
    """Refuse an API version that Stripe never had. (Previews are named after a semicolon; that part is ignored.)"""
    if given is not None and given.partition(";")[0].strip() not in api_versions():
        raise StripeError(f"Invalid Stripe API version: {given[:100]}")


def presented_key(authorization: str) -> str:
    """The API key of an Authorization header; empty when there is none."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def redacted(key: str) -> str:
    """An API key as Stripe shows it back."""
    kept = "_".join(key.split("_")[:2]) + "_" if key.count("_") > 1 else ""
    return f"{kept}{'*' * 12}{key[-4:] if len(key) > 12 else ''}"
