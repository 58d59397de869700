"""What is wrong with a system at first sight: each part's pulse, taken while other checks begin, and the causes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import cached_property

from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.causes import NATS, POSTGRES, SANDBOX, Cause
from atlas_operator.doctor.patient import Patient
from atlas_operator.doctor.pulse import Pulse

Asked = Mapping[str, Callable[[], Pulse]]


class Signs:
    """The pulses of one system. Whoever asks for one waits until it is taken, a second or two at most."""

    def __init__(self, pool: Executor, asked: Asked, services: Mapping[str, str]) -> None:
        self._taken = {part: pool.submit(ask) for part, ask in asked.items()}
        self._services = services

    def pulse(self, part: str) -> Pulse:
        """A part's pulse; of one that nobody can ask, a good one."""
        return self._taken[part].result() if part in self._taken else pulse.WELL

    @cached_property
    def pulses(self) -> Mapping[str, Pulse]:
        """All of them. A service that lives and is slow to say whether it is ready is given longer, if nothing that it
        needs is wrong.
        """
        taken = {part: self.pulse(part) for part in self._taken}
        return {part: self._given_longer(part, found, taken) for part, found in taken.items()}

    def _given_longer(self, part: str, found: Pulse, taken: Mapping[str, Pulse]) -> Pulse:
        if part not in self._services or not (found.live and found.silent):
            return found
        if any(taken[needed].wrong for needed in causes.needed_by(part, taken)):
            return found
        return pulse.service(self._services[part], pulse.LONGER_SECONDS)

    @cached_property
    def causes(self) -> list[Cause]:
        """What is wrong by itself, with who waits for it."""
        return causes.find(self.pulses)

    def in_the_way(self, *parts: str) -> str:
        """Why a check that needs these can't be made: ``nats is down``; empty where it can.

        A service needs to live; of it, more isn't asked: that it isn't ready may hinder other work than this.
        """
        for part in (name if name in self._taken else name.partition(" of ")[0] for name in parts):
            found = self.pulse(part)
            if found.wrong and (not found.live or part not in self._services):
                return f"{part} {'does not answer' if found.silent else 'is down'}"
        return ""


def asked_of(patient: Patient) -> tuple[Asked, Mapping[str, str]]:
    """How each part of a system is asked, and the addresses of its services."""
    services = {**patient.target.urls, **patient.target.beside}
    asked: dict[str, Callable[[], Pulse]] = {name: _service(url) for name, url in services.items()}
    if url := patient.nats_url:
        asked[NATS] = lambda: pulse.broker(url)
    asked.update(_databases(patient.databases))
    if sandbox := patient.sandbox_url:
        asked[SANDBOX] = lambda: pulse.service(sandbox, path="/healthz")
    return asked, services


def _service(url: str) -> Callable[[], Pulse]:
    return lambda: pulse.service(url.rstrip("/"))


def _databases(databases: Mapping[str, str]) -> Asked:
    """One server where all databases are on one."""
    places = {tuple(pulse.addresses(dsn, pulse.DATABASE_PORT)) for dsn in databases.values()}
    if len(places) == 1 and len(databases) > 1:
        return {POSTGRES: _database(next(iter(databases.values())))}
    return {f"{POSTGRES} of {name}": _database(dsn) for name, dsn in databases.items()}


def _database(dsn: str) -> Callable[[], Pulse]:
    return lambda: pulse.database(dsn)
