"""The Python package by itself: its wheel, its example, and the read client against a service that answers badly."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import nats
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from atlas_client.reader import PAUSES_SECONDS, EntitlementReader, EntitlementReadError
from support.stack import WORKSPACE, eventually
from support.state_scene import Scene, state_scene

PACKAGE = WORKSPACE / "clients" / "python"
KEY = Ed25519PrivateKey.generate()
JWK = {"kty": "OKP", "crv": "Ed25519", "d": base64.urlsafe_b64encode(KEY.private_bytes_raw()).rstrip(b"=").decode()}
RECORD = {
    "productKey": "pro_lifetime_v1", "isPro": True, "status": "active", "source": "stripe", "activeFrom": "2026-11-01T10:00:00Z", "activeUntil": None, "version": 1,
    "reason": "purchase", "updatedAt": "2026-11-01T10:00:01Z",
}  # fmt: skip


# --- The package ------------------------------------------------------------------------------------------------------


def test_its_wheel_builds_with_what_is_locked_and_is_all_that_a_clean_folder_needs(tmp_path: Path) -> None:
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=PACKAGE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        wheel.extractall(tmp_path / "clean")
        names, metadata = set(wheel.namelist()), wheel.read("atlas_client-0.1.0.dist-info/METADATA").decode()
    assert {"atlas_client/py.typed", "atlas_client/mirror.py", "atlas_client/reader.py"} <= names
    assert all(name.startswith("atlas_client") for name in names)
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line] == ["Requires-Dist: nats-py>=2.9"]

    # Without our folders and without what only the reader needs.
    script = "import sys; import atlas_client; print(atlas_client.__file__); assert not {'httpx', 'cryptography', 'atlas_contracts'} & set(sys.modules)"
    used = subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "clean", capture_output=True, text=True, timeout=60)
    assert used.returncode == 0, used.stderr
    assert used.stdout.strip() == str(tmp_path / "clean" / "atlas_client" / "__init__.py")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with state_scene() as made:
        asyncio.run(made.change({"ada": True, "bob": False}))
        yield made


def test_the_faststream_example_answers_who_is_pro_and_hears_of_changes(scene: Scene, tmp_path: Path) -> None:
    heard = tmp_path / "heard.txt"
    environment = {**os.environ, "ATLAS_NATS_URL": scene.url, "NATS_URL": scene.url}
    with heard.open("wb") as out, subprocess.Popen([sys.executable, PACKAGE / "examples" / "faststream_service.py"], env=environment, stdout=out) as service:
        try:
            eventually(lambda: "ada is Pro" in heard.read_text() and "bob is not Pro" in heard.read_text(), what="the example is told of everybody")
            assert asyncio.run(asked(scene, "ada")) == "Pro"
            asyncio.run(scene.change({"ada": False}))
            eventually(lambda: "ada is not Pro" in heard.read_text(), what="the example hears of the change")
            assert asyncio.run(asked(scene, "ada")) == "not Pro"
        finally:
            service.terminate()


async def asked(scene: Scene, user: str) -> str:
    async with scene.writer() as connection:
        while True:
            try:
                return (await connection.request("coach.questions.ask", user.encode(), timeout=10)).data.decode()
            except nats.errors.NoRespondersError:  # FastStream begins to listen after the mirror's start
                await asyncio.sleep(0.1)


# --- The read client ----------------------------------------------------------------------------------------------------


class Service:
    """The entitlements service's answers, one after another; the last one again and again."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked = list(answers), []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else (self.answers or [None])[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        users = json.loads(request.content)["userIds"] if request.method == "POST" else None
        return httpx.Response(200, json={"entitlements": [{**RECORD, "userId": user} for user in users]} if users else {**RECORD, "userId": "ada"})


def reader(service: Service) -> EntitlementReader:
    made = EntitlementReader("http://entitlements", "coach", JWK)
    made._http = httpx.AsyncClient(base_url="http://entitlements", transport=httpx.MockTransport(service))
    return made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_client.reader.PAUSES_SECONDS", (0.0,) * len(PAUSES_SECONDS))


def failure(status: int, code: str) -> httpx.Response:
    error = {"ok": False, "error": {"code": code, "message": "A sentence.", "recovery": "none"}}
    return httpx.Response(status, json=error, headers={"x-request-id": "req_1"})


@pytest.mark.anyio
async def test_many_users_are_asked_for_in_parts_and_each_once():
    service = Service()
    found = await reader(service).query([*(f"u{n}" for n in range(1_201)), "u0"])
    assert list(found) == [f"u{n}" for n in range(1_201)] and all(record.is_pro for record in found.values())
    assert [len(json.loads(request.content)["userIds"]) for request in service.asked] == [500, 500, 201]
    assert await reader(service).query([]) == {}


@pytest.mark.anyio
async def test_an_id_is_one_part_of_the_path_whatever_is_in_it():
    service = Service()
    with pytest.raises(EntitlementReadError):
        await reader(Service(failure(400, "invalid_request"))).get("a/b")
    await reader(service).get("a/../b?c#d é")
    assert service.asked[0].url.raw_path == b"/v1/entitlements/a%2F..%2Fb%3Fc%23d%20%C3%A9"
    assert (await reader(service).get("..")).user_id == ".."
    assert service.asked[1].method == "POST"


@pytest.mark.anyio
@pytest.mark.parametrize("away", [httpx.Response(503, text="no"), httpx.Response(502, text="proxy"), httpx.ConnectError("refused"), httpx.ReadTimeout("late")])
async def test_a_service_that_is_away_is_asked_again(away):
    service = Service(away, away, httpx.Response(200, json={**RECORD, "userId": "ada"}))
    assert (await reader(service).get("ada")).is_pro
    gone = Service(away)
    with pytest.raises(EntitlementReadError) as raised:
        await reader(gone).get("ada")
    assert raised.value.status in {502, 503, None} and len(gone.asked) == 4


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "code"), [(400, "invalid_request"), (401, "unauthorized"), (403, "forbidden")])
async def test_a_refusal_is_said_at_once_and_in_the_services_words(status, code):
    service = Service(failure(status, code))
    with pytest.raises(EntitlementReadError, match=f"{status} {code}: A sentence.") as raised:
        await reader(service).get("ada")
    assert (raised.value.status, raised.value.code, raised.value.request_id) == (status, code, "req_1")
    assert len(service.asked) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [{}, [], {"userId": "ada"}, {**RECORD, "userId": "ada", "activeFrom": "soon"}])
async def test_nobody_is_pro_by_an_answer_of_another_shape(answer):
    with pytest.raises(EntitlementReadError):
        await reader(Service(httpx.Response(200, json=answer))).get("ada")


def test_the_key_may_be_a_jwk_or_pem_and_what_is_neither_is_not_shown():
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    tokens = [EntitlementReader("http://x", "coach", key)._mint._sign(1_700_000_000) for key in (JWK, json.dumps(JWK), pem)]
    assert len(set(tokens)) == 1
    header, claims, _ = (part + "==" for part in tokens[0].split("."))
    assert json.loads(base64.urlsafe_b64decode(header)) == {"alg": "EdDSA", "kid": "coach"}
    assert json.loads(base64.urlsafe_b64decode(claims)) == {"iss": "coach", "sub": "coach", "aud": "entitlements", "iat": 1_700_000_000, "exp": 1_700_000_060}
    for wrong in ("", "secret", '{"kty": "RSA"}', "-----BEGIN PRIVATE KEY-----\nsecret"):
        with pytest.raises(ValueError, match="The signing key has to be a private Ed25519 key, as a JWK or PEM") as raised:
            EntitlementReader("http://x", "coach", wrong)
        assert "secret" not in str(raised.value)
