"""JSON Schemas, the AsyncAPI document and the read API's OpenAPI document.

All are generated from the models, so that they always agree with them.

``python -m atlas_contracts.schema_documents --write [FOLDER]`` writes them; ``--check [FOLDER]`` exits with 1 when the
files there are not current. The default folder is the package's project folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from atlas_contracts import internal_api, moving_in, public_api, read_api, support
from atlas_contracts.billing import BillingEvent, BillingType
from atlas_contracts.cloudevents import CONTENT_TYPE, SCHEMAS
from atlas_contracts.entitlements import EntitlementEvent, EntitlementType
from atlas_contracts.openapi_document import read_api_document
from atlas_contracts.parked import DismissedEvent, ForgottenEvent, ParkedEvent, RedrivenEvent
from atlas_contracts.streams import (
    BILLING,
    DEDUPE_WINDOW_SECONDS,
    ENTITLEMENTS,
    PARKED,
    StreamSpec,
    billing_subject,
    cloudevent_type,
    entitlement_subject,
    parked_subject,
)

DIALECT = GenerateJsonSchema.schema_dialect
PROJECT = Path(__file__).resolve().parents[2]

Document = dict[str, Any]

BILLING_FACTS: Mapping[BillingType, tuple[str, str]] = {
    BillingType.PURCHASE_INITIATED: ("recordedSession", "We asked Stripe for a checkout session."),
    BillingType.PURCHASE_PENDING: (
        "checkoutSession",
        "The buyer completed a session, and a delayed payment is being processed.",
    ),
    BillingType.PURCHASE_SUCCEEDED: ("checkoutSession", "A session is paid, or a coupon made it free."),
    BillingType.PURCHASE_FAILED: ("checkoutSession", "A delayed payment failed."),
    BillingType.PURCHASE_EXPIRED: ("checkoutSession", "A session expired without a purchase."),
    BillingType.CHARGE_OBSERVED: ("charge", "A charge, as we read it at Stripe."),
    BillingType.REFUND_ISSUED: ("", "A refund, or the sum of a charge's refunds."),
    BillingType.REFUND_FAILED: ("refund", "A refund failed or was canceled, and no longer counts."),
    BillingType.CHARGEBACK_OPENED: ("dispute", "A dispute or an inquiry was opened."),
    BillingType.CHARGEBACK_UPDATED: ("dispute", "A dispute changed, and has no outcome yet."),
    BillingType.CHARGEBACK_WON: ("dispute", "A dispute was won."),
    BillingType.CHARGEBACK_LOST: ("dispute", "A dispute was lost."),
    BillingType.ENTITLEMENT_GRANTED: ("adjustment", "An operator granted Pro, or took back the revoke of a payment."),
    BillingType.ENTITLEMENT_REVOKED: ("adjustment", "An operator ended a manual grant, or revoked a payment."),
    BillingType.FRAUD_WARNING_OBSERVED: ("fraudWarning", "The card network warned of fraud; no verdict changes."),
    BillingType.RESTORE_REQUESTED: ("restore", "A user asked to restore a purchase."),
    BillingType.RESTORE_SUCCEEDED: ("restore", "A restore found a purchase that grants."),
    BillingType.RESTORE_FAILED: ("restore", "A restore found nothing that grants."),
}
"""For each type: the field of ``data`` that it always has (empty: there is no single one), and what the event means."""

ENTITLEMENT_MEANINGS: Mapping[EntitlementType, str] = {
    EntitlementType.GRANTED: "A user is Pro from now on.",
    EntitlementType.UPDATED: "A user's entitlement changed, and whether the user is Pro did not.",
    EntitlementType.REVOKED: "A user is no longer Pro.",
}


def documents() -> dict[str, Document]:
    """Every document by its path in the project folder."""
    events = _event_schemas()
    found = {f"schemas/{name}.json": schema for name, schema in events.items()}
    found["schemas/public_api.json"] = _models("public_api", public_api)
    found["schemas/internal_api.json"] = _models("internal_api", internal_api)
    found["schemas/moving_in.json"] = _models("moving_in", moving_in)
    found["schemas/support.json"] = _models("support", support)
    found["schemas/read_api.json"] = _models("read_api", read_api)
    found["asyncapi.json"] = _asyncapi(events)
    found["read_api.openapi.json"] = read_api_document()
    return found


def _event_schemas() -> dict[str, Document]:
    schemas = {
        billing_subject(kind): _event(BillingEvent, billing_subject(kind), meaning, _requires(fact))
        for kind, (fact, meaning) in BILLING_FACTS.items()
    }
    for kind, meaning in ENTITLEMENT_MEANINGS.items():
        subject = entitlement_subject(kind)
        schemas[subject] = _event(EntitlementEvent, subject, meaning)
    redriven, forgotten, dismissed = map(parked_subject, ("redriven", "forgotten", "dismissed"))
    schemas["parked.v1.event"] = _event(ParkedEvent, None, "An event could not be processed (parked.v1.<reason>).")
    schemas[redriven] = _event(RedrivenEvent, redriven, "A parked event was published again.")
    schemas[forgotten] = _event(ForgottenEvent, forgotten, "The user of a parked event was forgotten.")
    schemas[dismissed] = _event(DismissedEvent, dismissed, "An operator took a parked event off the list.")
    return schemas


def _event(model: type[BaseModel], subject: str | None, meaning: str, narrowing: Document | None = None) -> Document:
    """The schema of the events on one subject, in which ``type`` has only one value."""
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    name = subject or "parked.v1.event"
    schema |= {"$schema": DIALECT, "$id": f"{SCHEMAS}{name}.json", "title": name, "description": meaning}
    if subject:
        schema["properties"]["type"] = {"const": cloudevent_type(subject), "type": "string"}
    return schema | (narrowing or {})


def _requires(fact: str) -> Document:
    if not fact:
        return {}
    return {"allOf": [{"properties": {"data": {"properties": {fact: {"type": "object"}}, "required": [fact]}}}]}


def _models(name: str, module: Any) -> Document:
    """Every model that a module defines, as one document of definitions."""
    models = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]
    # A generic model has no schema before its parameter is given.
    models = [model for model in models if not model.__pydantic_generic_metadata__["parameters"]]
    _, schema = models_json_schema([(model, "serialization") for model in models], by_alias=True)
    return {"$schema": DIALECT, "$id": f"{SCHEMAS}{name}.json", "title": name, **schema}


def _asyncapi(schemas: Mapping[str, Document]) -> Document:
    streams = {
        BILLING: "webhook-ingest, checkout",
        ENTITLEMENTS: "entitlements",
        PARKED: "webhook-ingest, entitlements",
    }
    channels, operations, messages = {}, {}, {}
    for name, schema in schemas.items():
        key = name.replace(".", "_")
        stream = next(stream for stream in streams if stream.subjects[0].split(".")[0] == name.split(".")[0])
        messages[key] = _message(name, schema)
        channels[key] = _channel(name, key, schema, stream)
        operations[f"publish_{key}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{key}"},
            "summary": schema["description"],
            "description": f"Published by {streams[stream]}.",
            "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Atlas billing events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in JSON over NATS JetStream. Values are absolute; an event may come again.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": {"host": "nats.atlas.example:4222", "protocol": "nats", "description": "NATS JetStream"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(name: str, key: str, schema: Document, stream: StreamSpec) -> Document:
    parked = name == "parked.v1.event"
    channel: Document = {
        "address": "parked.v1.{reason}" if parked else name,
        "description": f"{schema['description']} Stream {stream.name}, dedupe on Nats-Msg-Id over "
        f"{DEDUPE_WINDOW_SECONDS // 86_400} days.",
        "servers": [{"$ref": "#/servers/broker"}],
        "messages": {key: {"$ref": f"#/components/messages/{key}"}},
    }
    if parked:
        channel["parameters"] = {"reason": {"description": "A stable word: contradicting_user, malformed_object …"}}
    return channel


def _message(name: str, schema: Document) -> Document:
    headers = {
        "type": "object",
        "required": ["Nats-Msg-Id"],
        "properties": {
            "Nats-Msg-Id": {"type": "string", "description": "The event's id, or a new id for a redrive."},
            "traceparent": {"type": "string", "description": "W3C trace context."},
            "x-request-id": {"type": "string"},
        },
    }
    payload = {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": {"$ref": f"schemas/{name}.json"},
    }
    return {
        "name": name,
        "title": name,
        "summary": schema["description"],
        "contentType": CONTENT_TYPE,
        "headers": headers,
        "payload": payload,
    }


def _rendered(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def outdated(folder: Path) -> list[str]:
    """Paths under ``folder`` that are missing, differ from the models, or belong to no model any more."""
    wanted = {path: _rendered(document) for path, document in documents().items()}
    wrong = [path for path, text in wanted.items() if not _holds(folder / path, text)]
    stray = [f"schemas/{file.name}" for file in (folder / "schemas").glob("*.json")]
    return sorted(wrong + [path for path in stray if path not in wanted])


def write(folder: Path) -> None:
    """Write every document into ``folder``, and delete schemas that belong to no model any more."""
    current = documents()
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    for file in (folder / "schemas").glob("*.json"):
        if f"schemas/{file.name}" not in current:
            file.unlink()
    for path, document in current.items():
        (folder / path).write_text(_rendered(document), encoding="utf-8")


def _holds(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m atlas_contracts.schema_documents", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    parser.add_argument("folder", nargs="?", type=Path, default=PROJECT)
    options = parser.parse_args()
    if options.write:
        write(options.folder)
        return 0
    wrong = outdated(options.folder)
    for path in wrong:
        print(f"not current: {path}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
