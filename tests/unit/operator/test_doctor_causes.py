"""What is the cause and what only waits for it, from what every part said."""

from __future__ import annotations

import pytest

from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.causes import BY_ITSELF, MEANS, Waiting
from atlas_operator.doctor.pulse import SILENT, Pulse

PARTS = ("nats", "postgres", "sandbox", "account-gateway", "webhook-ingest", "checkout", "entitlements", "desk")
GONE, HUNG = Pulse("nothing listens there", live=False), Pulse(SILENT, live=False)
SLOW = Pulse(SILENT)


def failing(*checks: str) -> Pulse:
    return Pulse(", ".join(checks), failing=checks)


def sentences(**said: Pulse) -> list[str]:
    pulses = dict.fromkeys(PARTS, pulse.WELL) | {part.replace("_", "-"): found for part, found in said.items()}
    return [cause.sentence for cause in causes.find(pulses)]


NO_BROKER = {
    "webhook_ingest": failing("broker"),
    "checkout": failing("broker"),
    "entitlements": failing("broker", "consumer"),
}
NO_DATABASE = {"checkout": failing("database"), "entitlements": failing("database"), "desk": failing("entitlements")}


def test_where_all_is_well_there_is_no_cause() -> None:
    assert sentences() == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (NO_BROKER | {"nats": GONE}, ["nats is down; webhook-ingest, checkout and entitlements wait for it."]),
        (
            {"nats": HUNG, "webhook_ingest": SLOW, "checkout": SLOW, "entitlements": SLOW},
            ["nats does not answer; webhook-ingest, checkout and entitlements wait for it."],
        ),
        ({"nats": GONE}, ["nats is down; webhook-ingest, checkout and entitlements wait for it."]),
        (NO_DATABASE | {"postgres": GONE}, ["postgres is down; entitlements, checkout, account-gateway and desk wait for it."]),
        ({"sandbox": HUNG}, ["sandbox does not answer; checkout, webhook-ingest and account-gateway wait for it."]),
        ({"checkout": GONE}, ["checkout is down; account-gateway waits for it."]),
        (
            {"entitlements": HUNG, "account_gateway": failing("entitlements"), "desk": SLOW},
            ["entitlements does not answer; account-gateway and desk wait for it."],
        ),
        ({"webhook_ingest": GONE}, ["webhook-ingest is down."]),
        ({"checkout": failing("outbox")}, ["checkout is not ready (outbox)."]),
        ({"checkout": failing("broker")}, ["checkout is not ready (broker)."]),
        (
            {"nats": GONE, "checkout": GONE},
            ["nats is down; webhook-ingest and entitlements wait for it.", "checkout is down; account-gateway waits for it."],
        ),
        (
            NO_DATABASE | {"nats": GONE, "postgres": GONE, "entitlements": failing("database", "broker")},
            [
                "nats is down; webhook-ingest, entitlements and desk wait for it.",
                "postgres is down; entitlements, checkout, account-gateway and desk wait for it.",
            ],
        ),
    ],
)  # fmt: skip
def test_the_cause_is_named_with_everybody_who_waits_for_it(said: dict[str, Pulse], expected: list[str]) -> None:
    assert sentences(**said) == expected


def test_a_server_that_nobody_can_ask_is_found_by_what_all_its_services_say() -> None:
    pulses = {"webhook-ingest": failing("broker"), "checkout": failing("broker"), "entitlements": failing("consumer")}
    assert [cause.part for cause in causes.find(pulses)] == ["nats"]
    assert [cause.part for cause in causes.find(pulses | {"checkout": pulse.WELL})] == [
        "entitlements",
        "webhook-ingest",
    ]


def test_databases_on_servers_of_their_own_are_told_apart() -> None:
    pulses = {
        "postgres of checkout": GONE,
        "postgres of entitlements": pulse.WELL,
        "checkout": failing("database"),
        "entitlements": pulse.WELL,
    }
    assert [cause.sentence for cause in causes.find(pulses)] == ["postgres of checkout is down; checkout waits for it."]


def test_who_waits_is_told_in_a_line_of_a_terminal() -> None:
    told = [Waiting(part, cause, means).sentence for cause, who in MEANS.items() if " of " not in cause for part, means in who.items()]
    assert len(told) >= 12
    assert [sentence for sentence in told if len(f"  ✗ {sentence} → {BY_ITSELF}") > 80] == []
