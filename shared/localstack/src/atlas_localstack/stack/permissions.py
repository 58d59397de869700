"""The broker's accounts, users and permissions: one user per service, each with the least that it needs (SECURITY.md).

Readers have an account of their own with mirrors of what they may read. The broker checks no rights on the subject on
which an answer or a copy is asked for. So whoever may ask anything in an account could have messages stored in its
streams, and have requests made that are imported there. The readers' account imports one request, by which a mirror
asks its origin for a consumer, and the flow control of those; ours imports the one that looks at a mirror. No reader
may publish on them, and an answer that a reader has sent there is refused for fields that no request has (``strict``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atlas_contracts.streams import (
    BILLING,
    ENTITLEMENTS,
    INGEST_BUCKET,
    MIRROR_DELIVERY,
    MIRRORED,
    ORIGIN_API,
    OUR_ACCOUNT,
    PARKED,
    PROJECTOR_DURABLE,
    READERS_ACCOUNT,
    READERS_API,
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
    account: str = OUR_ACCOUNT


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
OF_MIRRORS = ("INFO", "CREATE", "UPDATE", "DELETE")
"""What is asked of a mirror by whoever makes it."""

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
    # Another Atlas service: reads the mirrors in its own account with consumers of its own, publishes nothing.
    "observer": BrokerRights(
        publish=(
            "$JS.API.INFO",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            *(subject for stream in MIRRORED for subject in (*_read(stream.name), *_read_directly(stream.name))),
        ),
        subscribe=("_INBOX.>",),
        account=READERS_ACCOUNT,
    ),
    # The operator's doctor: looks at shapes and figures, never at a message.
    "operator": BrokerRights(
        publish=(
            *(f"$JS.API.STREAM.INFO.{stream}" for stream in (*EVENTS, STATE.name)),
            f"$JS.API.CONSUMER.INFO.{BILLING.name}.{PROJECTOR_DURABLE}",
            *(f"{READERS_API}.STREAM.INFO.{stream.name}" for stream in MIRRORED),
        ),
    ),
    # Gives existing streams their retention, makes missing ones of which there are mirrors, and nothing else. No
    # service has its password: an update can shorten a stream's age, which deletes, or give it other subjects.
    "keeper": BrokerRights(
        publish=(
            *(f"$JS.API.STREAM.{verb}.{stream}" for stream in (*EVENTS, STATE.name) for verb in ("INFO", "UPDATE")),
            *(f"$JS.API.STREAM.CREATE.{stream.name}" for stream in MIRRORED),
        )
    ),
    # Makes the mirrors. It is in the readers' account, so that nothing said in ours can reach what it does.
    "mirrors": BrokerRights(
        publish=tuple(f"$JS.API.STREAM.{verb}.{stream.name}" for stream in MIRRORED for verb in OF_MIRRORS),
        account=READERS_ACCOUNT,
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


def accounts(passwords: Mapping[str, str]) -> str:
    """The block `accounts` of the server's configuration."""
    ours, theirs = (_users(passwords, account) for account in (OUR_ACCOUNT, READERS_ACCOUNT))
    requests = [f"$JS.API.CONSUMER.CREATE.{stream.name}" for stream in MIRRORED]
    looks = [f"$JS.API.STREAM.INFO.{stream.name}" for stream in MIRRORED]
    return f"""\
accounts {{
  {OUR_ACCOUNT} {{
    jetstream: enabled
    users: [
{ours}
    ]
    exports: [
{_lines(f'{{ service: "{subject}", accounts: [{READERS_ACCOUNT}] }}' for subject in (*requests, "$JS.FC.>"))}
      {{ stream: "{MIRROR_DELIVERY}.>", accounts: [{READERS_ACCOUNT}] }}
    ]
    imports: [
{_lines(_imported(READERS_ACCOUNT, subject, READERS_API) for subject in looks)}
    ]
  }}
  {READERS_ACCOUNT} {{
    jetstream: enabled
    users: [
{theirs}
    ]
    exports: [
{_lines(f'{{ service: "{subject}", accounts: [{OUR_ACCOUNT}] }}' for subject in looks)}
    ]
    imports: [
{_lines(_imported(OUR_ACCOUNT, subject, ORIGIN_API) for subject in requests)}
      {{ service: {{ account: {OUR_ACCOUNT}, subject: "$JS.FC.>" }} }}
      {{ stream: {{ account: {OUR_ACCOUNT}, subject: "{MIRROR_DELIVERY}.>" }} }}
    ]
  }}
}}
"""


def _imported(account: str, subject: str, prefix: str) -> str:
    here = subject.replace("$JS.API", prefix)
    return f'{{ service: {{ account: {account}, subject: "{subject}" }}, to: "{here}" }}'


def _lines(entries: Iterable[str]) -> str:
    return "\n".join(f"      {entry}" for entry in entries)


def _users(passwords: Mapping[str, str], account: str) -> str:
    return "\n".join(_user(name, grant, passwords[name]) for name, grant in GRANTS.items() if grant.account == account)


def _user(name: str, grant: BrokerRights, password: str) -> str:
    publish = f"allow: {_subjects(grant.publish)}" if grant.publish else 'deny: [">"]'
    if grant.refuse:
        publish += f", deny: {_subjects(grant.refuse)}"
    subscribe = _subjects((f"{inbox(name)}.>", *grant.subscribe))
    return (
        f"      {{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{\n"
        f"          publish: {{ {publish} }}\n"
        f"          subscribe: {{ allow: {subscribe} }} }} }}"
    )


def _subjects(subjects: Iterable[str]) -> str:
    return json.dumps(list(dict.fromkeys(subjects)))
