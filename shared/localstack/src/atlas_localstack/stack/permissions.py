"""The broker's users and permissions: one user per service, each with the least that it needs (SECURITY.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atlas_contracts.streams import (
    BILLING,
    ENTITLEMENTS,
    INGEST_BUCKET,
    PARKED,
    PROJECTOR_DURABLE,
    REPUBLISHER_CONSUMER,
    STATE,
)

KV = f"KV_{INGEST_BUCKET}"


@dataclass(frozen=True)
class BrokerRights:
    """Subjects that a user may publish to and subscribe to; `refuse` lists exceptions from `publish`."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()


def inbox(user: str) -> str:
    """The prefix of a user's reply subjects. Each user has its own, so that no user can read another's answers."""
    return f"_INBOX_{user}"


def _declare(*streams: str) -> tuple[str, ...]:
    # A service may create a stream that is missing. It can't change, empty or delete one.
    verbs = ("INFO", "CREATE")
    return ("$JS.API.INFO", *(f"$JS.API.STREAM.{verb}.{stream}" for stream in streams for verb in verbs))


def _read(stream: str) -> tuple[str, ...]:
    return (
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        *_consume(stream, "*"),
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.NAMES.{stream}",
        f"$JS.API.CONSUMER.LIST.{stream}",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.FC.{stream}.>",
    )


def _read_directly(stream: str) -> tuple[str, ...]:
    # The answer is a copy of a message, sent to any subject that the request names. So no user gets this for a stream
    # from which it could have a forged event copied to a subject on which it may not publish.
    return (f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.>")


def _consume(stream: str, consumer: str) -> tuple[str, ...]:
    return (
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"$JS.ACK.{stream}.{consumer}.>",
    )


def _others_durable(stream: str, consumer: str) -> tuple[str, ...]:
    """Everything with somebody else's durable but looking at its figures, which `doctor` does."""
    figures = f"$JS.API.CONSUMER.INFO.{stream}.{consumer}"
    touching = tuple(subject for subject in _consume(stream, consumer) if subject != figures)
    return (*touching, f"$JS.API.CONSUMER.DELETE.{stream}.{consumer}")


EVENTS = (BILLING.name, ENTITLEMENTS.name, PARKED.name)

GRANTS: Mapping[str, BrokerRights] = {
    # Publishes facts; reads only parked events and its own bucket.
    "ingest": BrokerRights(
        publish=(
            *BILLING.subjects,
            *PARKED.subjects,
            f"$KV.{INGEST_BUCKET}.>",
            *_declare(*EVENTS, KV),
            *_read(PARKED.name),
            *_read_directly(PARKED.name),
            *_read(KV),
            *_read_directly(KV),
        ),
    ),
    # Publishes facts (sessions, reads at Stripe, restores); reads nothing.
    "checkout": BrokerRights(publish=(*BILLING.subjects, *_declare(*EVENTS))),
    # Reads facts through its one durable consumer, publishes entitlement events and every user's newest state; cannot
    # publish a fact.
    "entitlements": BrokerRights(
        publish=(
            *ENTITLEMENTS.subjects,
            *PARKED.subjects,
            *STATE.subjects,
            *_declare(*EVENTS, STATE.name),
            *_read(STATE.name),
            *_consume(BILLING.name, PROJECTOR_DURABLE),
            *_consume(ENTITLEMENTS.name, REPUBLISHER_CONSUMER),
            f"$JS.API.CONSUMER.DELETE.{ENTITLEMENTS.name}.{REPUBLISHER_CONSUMER}",
        ),
    ),
    # Receives entitlement events only as hints that something changed; it reads the entitlement over HTTP.
    "gateway": BrokerRights(subscribe=ENTITLEMENTS.subjects),
    # Another Atlas service: reads both streams and the bucket with durable consumers of its own, publishes no events.
    "observer": BrokerRights(
        publish=(
            "$JS.API.INFO",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            f"$JS.API.STREAM.INFO.{PARKED.name}",  # its shape and its figures, for `doctor`; no message of it
            *_read(BILLING.name),
            *_read(ENTITLEMENTS.name),
            *_read(STATE.name),
        ),
        subscribe=("_INBOX.>",),
        refuse=_others_durable(BILLING.name, PROJECTOR_DURABLE),
    ),
    # Gives existing streams their retention, and nothing else. No service has its password: an update can shorten a
    # stream's age, which deletes, or give it other subjects.
    "keeper": BrokerRights(
        publish=tuple(
            f"$JS.API.STREAM.{verb}.{stream}" for stream in (*EVENTS, STATE.name) for verb in ("INFO", "UPDATE")
        )
    ),
    # The stack's operator, for doctor and tests. Not even this user can delete events. The bucket of states is a copy:
    # `./atlas republish` makes it anew.
    "admin": BrokerRights(
        publish=(">",),
        subscribe=(">",),
        refuse=tuple(
            f"$JS.API.STREAM.{verb}.{stream}"
            for verb in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE")
            for stream in EVENTS
        ),
    ),
}


def authorization(passwords: Mapping[str, str]) -> str:
    """The block `authorization` of the server's configuration."""
    users = "\n".join(_user(name, grant, passwords[name]) for name, grant in GRANTS.items())
    return f"authorization {{\n  users: [\n{users}\n  ]\n}}\n"


def _user(name: str, grant: BrokerRights, password: str) -> str:
    publish = f"allow: {_subjects(grant.publish)}" if grant.publish else 'deny: [">"]'
    if grant.refuse:
        publish += f", deny: {_subjects(grant.refuse)}"
    subscribe = _subjects((f"{inbox(name)}.>", *grant.subscribe))
    return (
        f"    {{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{\n"
        f"        publish: {{ {publish} }}\n"
        f"        subscribe: {{ allow: {subscribe} }} }} }}"
    )


def _subjects(subjects: Iterable[str]) -> str:
    return json.dumps(list(dict.fromkeys(subjects)))
