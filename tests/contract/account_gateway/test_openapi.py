"""/openapi.json is valid, complete, and true."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from account_gateway.app import build
from account_gateway.settings import GatewaySettings
from atlas_contracts.public_api import ErrorCode, Recovery
from atlas_kit.process.settings import load
from support.gateway import gateway_environment

PUBLIC = {
    "/api/pro/entitlement": {"get"},
    "/api/pro/entitlement/stream": {"get"},
    "/api/pro/restore": {"post"},
    "/api/billing/stripe/checkout": {"get", "post"},
    "/api/billing/stripe/confirm": {"post"},
    "/api/billing/stripe/portal": {"get", "post"},
    "/api/billing/overview": {"get"},
    "/pro/upgrade": {"get"},
    "/api/health": {"get"},
}


COMMITTED = Path(__file__).with_name("openapi.json")


def test_it_is_the_committed_one_byte_for_byte() -> None:
    """A change of the public API is a change of this file, which a reviewer sees. To write it again: run this file."""
    assert document_of_a_gateway() == COMMITTED.read_text()


def document_of_a_gateway() -> str:
    """Of one that is not started, at a fixed address. Keys in their order; indented so that differences can be read."""
    app = build(load(GatewaySettings, gateway_environment("http://127.0.0.1:8000")))

    async def read() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            return (await client.get("/openapi.json")).json()

    return json.dumps(asyncio.run(read()), indent=1) + "\n"


@pytest.fixture
def document(world: Any) -> dict[str, Any]:
    response = world.client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]


def test_it_is_a_valid_openapi_31_document(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OPENAPI_31_VALIDATOR.validate(document)


def test_it_lists_every_public_route_and_nothing_else(document: dict[str, Any]) -> None:
    assert {path: set(item) for path, item in document["paths"].items()} == PUBLIC


def test_every_operation_is_described_with_examples(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["summary"] and operation["description"] and operation["operationId"], name
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                assert "example" in content or content.get("examples"), f"{name} {status} {kind} has no example"


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        contents = [response.get("content", {}) for response in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for content in contents:
            if media := content.get("application/json"):
                values = [example["value"] for example in media.get("examples", {}).values()] or [media["example"]]
                schema = media["schema"] | {"components": document["components"]}
                for value in values:
                    jsonschema.validate(value, schema), name


def test_every_route_for_signed_in_users_says_401_and_how_to_sign_in(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        signed_in = "/api/health" not in name and "/pro/upgrade" not in name
        assert ("401" in operation["responses"]) == signed_in, name
        assert ("security" in operation) == signed_in, name
        assert "500" in operation["responses"]


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("get /api/pro/entitlement", {"200", "401", "500", "503"}),
        ("get /api/billing/stripe/checkout", {"303", "400", "401", "403", "429", "500", "503"}),
        ("post /api/billing/stripe/checkout", {"200", "400", "401", "403", "413", "429", "500", "503"}),
        ("get /api/billing/stripe/portal", {"303", "401", "403", "404", "429", "500", "503"}),
        ("post /api/billing/stripe/confirm", {"200", "400", "401", "403", "404", "413", "429", "500", "503"}),
        ("post /api/pro/restore", {"200", "400", "401", "403", "413", "429", "500", "503"}),
    ],
)
def test_every_answer_of_a_route_is_there(document: dict[str, Any], operation: str, statuses: set[str]) -> None:
    assert set(dict(operations(document))[operation]["responses"]) == statuses


def test_the_codes_and_recoveries_are_the_clients(document: dict[str, Any]) -> None:
    body = document["components"]["schemas"]
    assert set(body["ErrorCode"]["enum"]) == {code.value for code in ErrorCode}
    assert set(body["Recovery"]["enum"]) == {recovery.value for recovery in Recovery}


if __name__ == "__main__":
    COMMITTED.write_text(document_of_a_gateway())
