"""Today's contracts against the releases: nobody breaks, and each side reads what the other writes."""

from __future__ import annotations

import copy
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from atlas_contracts.billing import BillingEvent, Via, read_billing_event
from atlas_contracts.cloudevents import SCHEMAS
from atlas_kit.messaging.events import encode
from atlas_stripe.arrival import Arrival
from support.compatibility import examples, releases
from support.compatibility.differences import Party
from support.compatibility.judgement import OPEN, breaking, parties
from support.compatibility.shapes import Schema, shape
from support.stripe_events import charge, dispute, event, purchase, refund, session
from webhook_ingest.use_cases.admit import normalize

VERSIONS = releases.versions()
RELEASED = {version: releases.load(version) for version in VERSIONS}
NEWEST = RELEASED[VERSIONS[-1]]
KEPT = [(version, name) for version, release in RELEASED.items() for name in release.examples]
TODAY = examples.made()
TOLD = [
    purchase(),
    event("checkout.session.completed", session(payment_status="unpaid", payment_intent=None)),
    event("checkout.session.expired", session(status="expired", payment_status="unpaid")),
    event("charge.refunded", charge()),
    event("refund.created", refund()),
    event("refund.failed", refund(status="failed")),
    event("charge.dispute.created", dispute()),
    event("charge.dispute.closed", dispute(status="lost")),
]


def is_event(name: str) -> bool:
    return "." in name


def includes(whole: Any, part: Any, where: str = "") -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            assert key in whole, f"{where}.{key} is lost"
            includes(whole[key], value, f"{where}.{key}")
    elif isinstance(part, list):
        assert len(whole) == len(part), where
        for index, value in enumerate(part):
            includes(whole[index], value, f"{where}[{index}]")
    else:
        assert whole == part, where


def opened(schema: Any, document: Schema) -> Any:
    """As a reader has to read it: any value of an open field's type."""
    if isinstance(schema, list):
        return [opened(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: opened(value, document) for key, value in schema.items()}
    for name in OPEN.keys() & found.get("properties", {}).keys():
        found["properties"][name] = {"type": sorted(shape(schema["properties"][name], document))}
    return found


def valid(value: Any, schema: Schema, document: Schema) -> None:
    """`jsonschema.validate` without its look at the schema, which takes longer than all else: each is looked at once."""
    jsonschema.Draft202012Validator(opened({**schema, "$defs": document.get("$defs", {})}, document)).validate(value)


@pytest.mark.parametrize("path", [path for path in NEWEST.documents if path.startswith("schemas/")])
def test_what_the_newest_release_validates_by_are_schemas(path: str) -> None:
    document = NEWEST.documents[path]
    jsonschema.Draft202012Validator.check_schema(opened(document, document))


def test_nothing_breaks_who_was_written_for_the_newest_release() -> None:
    broken = breaking(releases.against(NEWEST))
    assert broken == [], f"\nAgainst release {NEWEST.version}:\n" + "\n".join(one.told() for one in broken)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_that_went_out_was_not_edited(version: str) -> None:
    release = releases.load(version)
    assert release.version == version
    assert release.digest == releases.digest(release.folder), "git checkout it: what has to change comes with the next release"


@pytest.mark.parametrize(("version", "name"), KEPT)
def test_what_a_release_wrote_is_read_by_today_s_code_and_nothing_of_it_is_lost(version: str, name: str) -> None:
    for model, both in RELEASED[version].examples[name].items():
        found = examples.event_model(model) if is_event(name) else examples.model_named(model)
        for extent, said in both.items():
            read = found.model_validate_json(json.dumps(said), strict=True)
            includes(json.loads(read.model_dump_json(by_alias=True)), said, f"{model} {extent}")
            if name.startswith("billing."):
                assert isinstance(read_billing_event(json.dumps(said)), BillingEvent)


@pytest.mark.parametrize("name", sorted(name for name in NEWEST.examples if is_event(name)))
def test_an_event_of_today_is_valid_by_the_newest_release(name: str) -> None:
    schema = NEWEST.documents[f"schemas/{name}.json"]
    for said in TODAY[name][name].values():
        read = examples.event_model(name).model_validate_json(json.dumps(said))
        valid(json.loads(encode(read)), schema, schema)


@pytest.mark.parametrize("name", sorted(name for name in NEWEST.examples if not is_event(name)))
def test_an_answer_of_today_is_valid_by_the_newest_release(name: str) -> None:
    path = f"schemas/{name}.json"
    document = NEWEST.documents[path]
    today = {model: both for models in TODAY.values() for model, both in models.items()}
    for model in NEWEST.examples[name]:
        if Party.READERS in parties(path, model):
            for said in today[model].values():
                read = examples.model_named(model).model_validate_json(json.dumps(said))
                valid(json.loads(read.model_dump_json(by_alias=True)), document["$defs"][model], document)


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told["type"])
def test_what_stripe_tells_today_is_published_as_the_newest_release_reads_it(told: dict) -> None:
    arrival = Arrival(Via.WEBHOOK, datetime.now(UTC), "sha256:00", signature_verified=True)
    published = json.loads(encode(normalize(told, arrival)))
    schema = NEWEST.documents[f"schemas/{published['type'].removeprefix('atlas.')}.json"]
    valid(published, schema, schema)
    name = urlsplit(published["dataschema"])
    assert published["dataschema"] == f"{SCHEMAS}billing/v1" and name.scheme == "https"
    # RFC 2606: a name in it belongs to nobody, so nobody can put something else there.
    assert name.hostname is not None and name.hostname.endswith(".example")


def test_an_event_is_read_whatever_it_calls_its_schema() -> None:
    """Events from before the first release, and absent: all three are in streams. Readers decide by type."""
    kept = NEWEST.examples["billing.v1.refund_issued"]["billing.v1.refund_issued"]["full"]
    for said in ("billing/v1", f"{SCHEMAS}billing/v1", None):
        assert isinstance(read_billing_event(json.dumps(kept | {"dataschema": said})), BillingEvent)


def test_the_message_says_where_what_whom_and_what_instead() -> None:
    documents = copy.deepcopy(dict(releases.today()))
    del documents["schemas/entitlements.v1.entitlement_updated.json"]["$defs"]["EntitlementData"]["properties"]["isPro"]
    [one] = breaking(releases.against(NEWEST, documents))
    assert one.told().splitlines() == [
        "schemas/entitlements.v1.entitlement_updated.json: data.isPro: field removed.",
        "    Breaks readers and writers that were written for the release.",
        "    Instead: keep the field, call it deprecated in its description, and go on filling and reading it.",
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(releases.FOLDER, tmp_path / "released")
    return tmp_path / "released"


def test_the_next_release_is_one_command_and_passes_the_gate(folder: Path) -> None:
    version = f"{releases.number(VERSIONS[-1])[0]}.{releases.number(VERSIONS[-1])[1] + 1}.0"
    home = releases.make(version, folder)
    made = releases.load(version, folder)
    assert releases.versions(folder)[-1] == version and home == made.folder
    assert made.digest == releases.digest(home)
    assert releases.against(made) == []
    assert made.examples == TODAY


@pytest.mark.parametrize("version", ["1.0.0", "0.9.0", "1.1", "next", "../../1.2.0", "1.-1.0"])
def test_a_version_that_is_not_newer_or_no_version_is_refused_and_nothing_is_written(folder: Path, version: str) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(releases.Refused, match=r"not newer|no version"):
        releases.make(version, folder)
    assert sorted(folder.rglob("*")) == before


def test_a_release_that_breaks_needs_another_major_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = copy.deepcopy(dict(releases.today()))
    del documents["account-gateway.openapi.json"]["paths"]["/api/pro/restore"]
    monkeypatch.setattr(releases, "today", lambda: documents)
    major = releases.number(VERSIONS[-1])[0]
    with pytest.raises(releases.Refused, match="only another major version may"):
        releases.make(f"{major}.99.0", folder)
    assert releases.make(f"{major + 1}.0.0", folder).exists()
