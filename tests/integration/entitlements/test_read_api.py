"""What admitted services may ask: who is Pro, one user or many, as the contract and its OpenAPI document say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import psycopg
import pytest

from atlas_contracts.openapi_document import read_api_document
from atlas_contracts.read_api import MAX_USERS, READ_MANY
from entitlements.use_cases.read_entitlement import EntitlementReader
from support import identity
from support.embedded import embedded_nats
from support.entitlements import Service, publish, running
from support.facts import Purchase
from support.identity import READERS, STRANGER
from support.servers import Postgres

KEYS = {"userId", "productKey", "isPro", "status", "source", "activeFrom", "activeUntil", "version", "reason", "updatedAt"}
NOBODY = {
    "productKey": "pro_lifetime_v1", "isPro": False, "status": "none", "source": None, "activeFrom": None,
    "activeUntil": None, "version": 0, "reason": None, "updatedAt": None,
}  # fmt: skip
ODD = ("a/b", "..", "query", "a b", "é?#%2F", "x" * 255, "\U0001f600" * 255)


@pytest.fixture(scope="module")
def service(postgres: Postgres) -> Iterator[Service]:
    """Ada and Bob have bought, and Bob has his money back."""
    with embedded_nats() as nats_url, running(nats_url, postgres.create_database()) as started:
        ada, bob = Purchase("ada"), Purchase("bob")
        publish(started.nats_url, facts := [ada.paid(at=0), bob.paid(at=0), bob.charge_refunded(at=60, amount=bob.amount)])
        assert started.applied(facts)
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    reader = READERS[0]
    headers = {"authorization": f"Bearer {identity.token(reader, 'entitlements', reader)}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
        yield client


def query(client: httpx.Client, users: Any) -> list[dict[str, Any]]:
    answer = client.post(READ_MANY, json={"userIds": users})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"entitlements"}
    return list(answer.json()["entitlements"])


def test_one_user_is_told_bare_with_exactly_the_contracts_keys(client: httpx.Client) -> None:
    answer = client.get("/v1/entitlements/ada")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    ada = answer.json()
    assert set(ada) == KEYS
    assert (ada["userId"], ada["isPro"], ada["status"], ada["source"], ada["version"]) == ("ada", True, "active", "stripe", 1)
    assert ada["activeFrom"].endswith("Z") and ada["updatedAt"].endswith("Z") and ada["activeUntil"] is None
    bob = client.get("/v1/entitlements/bob").json()
    assert (bob["isPro"], bob["status"], bob["version"], bob["reason"]) == (False, "revoked", 2, "refunded")
    assert bob["activeUntil"].endswith("Z")


def test_somebody_unknown_has_status_none_and_version_0(client: httpx.Client) -> None:
    assert client.get("/v1/entitlements/nobody").json() == NOBODY | {"userId": "nobody"}


@pytest.mark.parametrize("user", [odd for odd in ODD if odd != ".."], ids=lambda user: user[:9])
def test_any_user_id_can_be_asked_about_by_its_encoded_form(client: httpx.Client, user: str) -> None:
    answer = client.get(f"/v1/entitlements/{quote(user, safe='')}")
    assert (answer.status_code, answer.json()["userId"]) == (200, user)


def test_many_are_told_in_the_order_asked_with_those_asked_twice(client: httpx.Client) -> None:
    asked = ["nobody", "bob", "ada", "ada", *ODD, "bob"]
    told = query(client, asked)
    assert [record["userId"] for record in told] == asked
    one_by_one = {user: client.get(f"/v1/entitlements/{user}").json() for user in ("nobody", "bob", "ada")}
    assert all(record == one_by_one.get(record["userId"], NOBODY | {"userId": record["userId"]}) for record in told)
    assert query(client, []) == []


def test_500_are_answered_however_long_and_501_are_not(client: httpx.Client) -> None:
    longest = ["\U0001f600" * 252 + f"{number:03}" for number in range(MAX_USERS)]
    assert [record["userId"] for record in query(client, longest)] == longest
    escaped = client.post(READ_MANY, content=json.dumps({"userIds": longest}, indent=1), headers={"content-type": "application/json"})
    assert escaped.status_code == 200, "every character written as two escapes"
    assert_refused(client.post(READ_MANY, json={"userIds": [*longest, "one more"]}))


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 400, answer.text
    error = {"code": "invalid_request", "message": "Invalid request.", "recovery": "update_input"}
    assert answer.json() == {"ok": False, "error": error}


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "null", "{}", '{"userIds": null}', '{"userIds": "ada"}', '{"userIds": {"0": "ada"}}', '{"userIds": [1]}',
        '{"userIds": [null]}', '{"userIds": ["ada", ""]}', '{"userIds": ["ada "]}', '{"userIds": ["a\\u0000b"]}',
        '{"userIds": ["\\ud800"]}', '{"userIds": ["' + "x" * 256 + '"]}', "[" * 20_000,
    ],
    ids=lambda body: body[:30],
)  # fmt: skip
def test_what_is_malformed_is_400_in_the_envelope(client: httpx.Client, body: str) -> None:
    assert_refused(client.post(READ_MANY, content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("user", ["a%00b", "ada%20", "%20ada", "x" * 256, "%E2%80%8Bada"])
def test_what_is_no_user_id_is_400_in_the_envelope(client: httpx.Client, user: str) -> None:
    assert_refused(client.get(f"/v1/entitlements/{user}"))


def test_only_admitted_services_may_ask_and_only_in_their_own_name(service: Service) -> None:
    askers = {
        (READERS[1], READERS[1]): 200, (READERS[0], READERS[1]): 403, (READERS[0], "ada"): 403, (STRANGER, STRANGER): 403,
        ("account-gateway", "ada"): 403, ("operator", "operator"): 403, ("checkout", "checkout"): 403,
    }  # fmt: skip
    for (issuer, subject), status in askers.items():
        headers = {"authorization": f"Bearer {identity.token(issuer, 'entitlements', subject)}"}
        one = httpx.get(f"{service.url}/v1/entitlements/ada", headers=headers)
        many = httpx.post(service.url + READ_MANY, headers=headers, json={"userIds": ["ada"]})
        assert (one.status_code, many.status_code) == (status, status), (issuer, subject)
    assert httpx.get(f"{service.url}/v1/entitlements/ada").status_code == 401


def test_a_reader_that_is_trusted_and_not_admitted_is_let_in_by_configuration_alone(service: Service) -> None:
    coach = identity.key_of("coach")
    bearer = {"authorization": f"Bearer {identity.signed(identity.claims('coach', 'entitlements', 'coach'), coach)}"}
    url = f"{service.url}/v1/entitlements/ada"
    assert httpx.get(url, headers=bearer).status_code == 401
    trusting = {"INTERNAL_TRUSTED_KEYS": f"{identity.TRUSTED} {identity.key_set(coach)}"}
    for readers, status in (("", 403), ("coach", 200)):
        with running(service.nats_url, service.dsn, **trusting, INTERNAL_READERS=readers) as further:
            assert httpx.get(f"{further.url}/v1/entitlements/ada", headers=bearer).status_code == status


@pytest.mark.anyio
async def test_many_cost_one_query(service: Service) -> None:
    class Counting:
        statements = 0

        async def __aenter__(self) -> Counting:
            return self

        async def __aexit__(self, *_: object) -> None:
            await self.connection.close()

        def statement(self) -> Counting:
            return self

        async def execute(self, *arguments: Any) -> Any:
            Counting.statements += 1
            self.connection = await psycopg.AsyncConnection.connect(service.dsn)
            return await self.connection.execute(*arguments)

    users = [f"user_{number}" for number in range(498)] + ["ada", "bob"]
    found = await EntitlementReader(Counting()).read_many(users)  # type: ignore[arg-type]  # stands in for a Database
    assert Counting.statements == 1
    assert [user for user in users if found[user].version] == ["ada", "bob"]


def test_answers_are_what_the_openapi_document_says(client: httpx.Client) -> None:
    document = read_api_document()
    operations = {"/v1/entitlements/{userId}": client.get("/v1/entitlements/ada"), READ_MANY: client.post(READ_MANY, json={"userIds": ["bob", "nobody"]})}
    assert set(document["paths"]) == set(operations)
    for path, answer in operations.items():
        [operation] = document["paths"][path].values()
        for status, got in (("200", answer), ("401", httpx.request(answer.request.method, answer.request.url))):
            assert got.status_code == int(status)
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(got.json())
        example = operation["responses"]["200"]["content"]["application/json"]
        jsonschema.Draft202012Validator({**example["schema"], "components": document["components"]}).validate(example["example"])
