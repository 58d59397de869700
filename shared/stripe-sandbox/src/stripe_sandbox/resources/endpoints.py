"""Webhook endpoints, and the list of events."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from stripe_sandbox.errors import invalid
from stripe_sandbox.ids import new_id, random_text
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.settings import API_VERSION, is_http_url
from stripe_sandbox.store import Json, Store

EVENT_LIFE = 30 * 24 * 60 * 60  # seconds that Stripe lists an event
MOST_ENDPOINTS = 16  # of an account, per mode


def seed(op: Operation) -> None:
    """Create the configured endpoint, or update its URL and secret after a restart, and add the events that are new."""
    settings = op.settings
    if settings.webhook_url is None:
        return
    for endpoint in op.store.of("webhook_endpoint").oldest_first():
        if op.private(endpoint["id"]).get("configured"):
            events = endpoint["enabled_events"]
            asked = settings.webhook_events
            told = events if "*" in {*events, *asked} else list(dict.fromkeys([*events, *asked]))
            change(endpoint, url=settings.webhook_url, enabled_events=told)
            op.put(endpoint)
            op.put_private(endpoint["id"], {"secrets": [settings.webhook_secrets[0]], "configured": True})
            return
    endpoint = new_endpoint(
        op, settings.webhook_url, list(settings.webhook_events), {"description": "Configured at start"}
    )
    op.put_private(endpoint["id"], {"secrets": [settings.webhook_secrets[0]], "configured": True})


def new_endpoint(op: Operation, url: str, enabled_events: list[str], params: Json) -> Json:
    """An enabled endpoint; its secret is kept apart and shown once."""
    endpoint: Json = {
        "id": new_id("webhook_endpoint"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version", API_VERSION),
        "application": None,
        "created": op.now,
        "description": params.get("description") or None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata") or {}),
        "status": "enabled",
        "url": url,
    }
    op.put_private(endpoint["id"], {"secrets": [f"whsec_{random_text(32)}"]})
    return op.put(endpoint)


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/webhook_endpoints``: the answer alone shows the secret."""
    check_url(params["url"])
    if len(op.store.of("webhook_endpoint").items) >= MOST_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints.")
    endpoint = new_endpoint(op, params["url"], params["enabled_events"], params)
    return {**endpoint, "secret": op.private(endpoint["id"])["secrets"][0]}


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/webhook_endpoints/{id}``."""
    endpoint = op.get("webhook_endpoint", identifier)
    changes: Json = {name: params[name] for name in ("url", "enabled_events") if name in params}
    if "url" in changes:
        check_url(changes["url"])
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    if "description" in params:
        changes["description"] = params["description"] or None
    if "metadata" in params:
        changes["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    change(endpoint, **changes)
    return op.put(endpoint)


def delete(op: Operation, _params: Json, identifier: str) -> Json:
    """``DELETE /v1/webhook_endpoints/{id}``."""
    op.get("webhook_endpoint", identifier)
    op.store.remove("webhook_endpoint", identifier)
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


def roll(op: Operation, identifier: str) -> Json:
    """Make a new signing secret. The former one signs too, as while a secret is being replaced at Stripe."""
    endpoint = op.get("webhook_endpoint", identifier)
    private = op.private(identifier)
    secret = f"whsec_{random_text(32)}"
    op.put_private(identifier, {**private, "secrets": [secret, *private["secrets"][:1]]})
    return {**endpoint, "secret": secret}


def check_url(url: str) -> None:
    """Raise StripeError unless ``url`` is an http(s) URL."""
    if not is_http_url(url):
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")


def wants(endpoint: Json, event_type: str) -> bool:
    """Whether an endpoint gets events of this type."""
    return endpoint["status"] == "enabled" and not {"*", event_type}.isdisjoint(endpoint["enabled_events"])


def list_events(op: Operation, params: Json) -> Json:
    """``GET /v1/events``: the last 30 days, newest first."""
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    types = params.get("types") or ([params["type"]] if "type" in params else [])
    if len(types) > 20:
        raise invalid("You may pass up to 20 types.", "types")
    oldest = op.now - EVENT_LIFE
    wanted = params.get("delivery_success")

    def fits(event: Json) -> bool:
        return (
            event["created"] >= oldest
            and (not types or any(fnmatchcase(event["type"], pattern) for pattern in types))
            and (wanted is None or delivered(op.store, event) == wanted)
        )

    page = list_objects(op.store, "event", "/v1/events", params, ("type", "types", "delivery_success"), fits)
    return {**page, "data": [shown_event(op.store, event) for event in page["data"]]}


def shown_event(store: Store, event: Json) -> Json:
    """A stored event as the API and the webhooks show it."""
    deliveries = (store.get("deliveries_of", event["id"]) or {}).get("ids", [])
    states = [(store.get("delivery", identifier) or {}).get("state") for identifier in deliveries]
    pending = sum(state in {"held", "pending"} for state in states)
    return {**event, "data": json.loads(event["data"]), "pending_webhooks": pending}


def delivered(store: Store, event: Json) -> bool:
    """Whether every endpoint that wants the event got it."""
    deliveries = (store.get("deliveries_of", event["id"]) or {}).get("ids", [])
    return all((store.get("delivery", identifier) or {}).get("state") == "succeeded" for identifier in deliveries)


def retrieve_event(op: Operation, _params: Json, identifier: str) -> Json:
    """``GET /v1/events/{id}``."""
    return shown_event(op.store, op.get("event", identifier))
