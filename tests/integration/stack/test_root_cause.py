"""`./atlas status` and `./atlas doctor` name the cause in their first line, at once, whatever is broken."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from support.identity import key_of
from support.stack import Stack, eventually, running_stack

SECONDS = 60.0
"""Under three on a machine that does nothing else, ten times as long on one that is busy: a call that nobody bounds would
wait for two minutes.
"""
WAIT_FOR_NATS = "; webhook-ingest, checkout and entitlements wait for it."
WAIT_FOR_POSTGRES = "; entitlements, checkout, account-gateway and desk wait for it."


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack(desk=True) as running:
        yield running


@contextlib.contextmanager
def broken(stack: Stack, sent: signal.Signals, *parts: str) -> Iterator[None]:
    """These parts killed or stopped, and the supervisor stopped, so that nobody starts them again."""
    supervisor = json.loads((stack.home / "run" / "state.json").read_text())["supervisor"]
    pids = [stack.pid(part) for part in parts]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for pid in pids:
            os.kill(pid, sent)
        yield
    finally:
        for pid in pids if sent is signal.SIGSTOP else ():
            os.kill(pid, signal.SIGCONT)
        os.kill(supervisor, signal.SIGCONT)
        eventually(stack.is_healthy, 90, "all runs again")
        eventually(lambda: stack.atlas("status").returncode == 0, 90, "all is well again")


def told(stack: Stack, command: str) -> list[str]:
    began = time.monotonic()
    done = stack.atlas(command)
    assert time.monotonic() - began < SECONDS
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "INTERNAL_SIGNING_KEY" not in done.stdout, "no secret is guessed to be wrong"
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("sent", "parts", "first"),
    [
        (signal.SIGSTOP, ("nats",), "✗ nats does not answer" + WAIT_FOR_NATS),
        (signal.SIGKILL, ("nats",), "✗ nats is down" + WAIT_FOR_NATS),
        (signal.SIGKILL, ("postgres",), "✗ postgres is down" + WAIT_FOR_POSTGRES),
        (
            signal.SIGSTOP,
            ("sandbox",),
            "✗ sandbox does not answer; checkout, webhook-ingest and account-gateway wait for it.",
        ),
        (signal.SIGKILL, ("checkout",), "✗ checkout is down; account-gateway waits for it."),
        (signal.SIGSTOP, ("entitlements",), "✗ entitlements does not answer; account-gateway and desk wait for it."),
    ],
)
def test_the_first_line_names_the_cause_and_the_next_what_to_do(
    stack: Stack, sent: signal.Signals, parts: tuple[str, ...], first: str
) -> None:
    with broken(stack, sent, *parts):
        for command, remedy in (("status", "kill -CONT"), ("doctor", "./atlas status says")):
            lines = told(stack, command)
            assert lines[0] == first
            assert remedy in lines[1]
            consequences = [line for line in lines if f"waits for {parts[0]}" in line]
            assert len(consequences) >= first.count(" wait")
            assert max(map(len, consequences)) <= 90
        health = {
            **stack.status()["services"],
            "nats": stack.status()["nats"],
            "postgres": stack.status()["postgres"],
            "sandbox": stack.status()["sandbox"],
        }
        assert all(health[part]["health"] == "down" for part in parts)


def test_of_two_at_once_both_come_first(stack: Stack) -> None:
    with broken(stack, signal.SIGKILL, "nats", "postgres"):
        for command in ("status", "doctor"):
            causes = [line for line in told(stack, command) if line.startswith("✗ ")]
            assert [line.split(";")[0] for line in causes] == ["✗ nats is down", "✗ postgres is down"]


def test_a_key_that_nobody_trusts_is_the_cause_and_is_told_once(stack: Stack) -> None:
    urls = {f"{name.replace('-', '_').upper()}_URL": service["url"] for name, service in stack.json["services"].items()}
    stranger = Stack(stack.home, stack.port_base, {**urls, "INTERNAL_SIGNING_KEY": json.dumps(key_of("operator"))})
    done = stranger.atlas("doctor")
    assert done.returncode == 1
    assert (
        done.stdout.splitlines()[0] == "✗ entitlements, checkout and webhook-ingest do not trust this operator's key."
    )
    assert "INTERNAL_SIGNING_KEY" in done.stdout.splitlines()[1]
    assert done.stdout.count("INTERNAL_SIGNING_KEY") == 1


def test_a_key_that_stripe_refuses_is_the_cause(stack: Stack) -> None:
    urls = {f"{name.replace('-', '_').upper()}_URL": service["url"] for name, service in stack.json["services"].items()}
    own = json.loads((stack.home / "run" / "operator.json").read_text())["signing_key"]
    given = {
        **urls,
        "INTERNAL_SIGNING_KEY": json.dumps(own),
        "STRIPE_SECRET_KEY": "sk_test_rolled",
        "STRIPE_API_BASE": stack.url("sandbox"),
    }
    done = Stack(stack.home, stack.port_base, given).atlas("doctor")
    assert done.stdout.splitlines()[0].startswith("✗ Stripe refuses the key (STRIPE_SECRET_KEY); nobody can buy")
    assert "sk_test_rolled" not in done.stdout
