"""Whether a part works at all is known within a second or two, whatever is wrong with it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from atlas_operator.doctor import pulse
from atlas_operator.doctor.pulse import PATIENCE_SECONDS, SILENT, Pulse
from support.fake_operator import Refused, fake_operator


@contextlib.contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that takes connections and answers each in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    answer(server.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextlib.contextmanager
def hung() -> Iterator[int]:
    """The kernel takes connections for a process that is stopped; nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


ASKED: dict[str, Callable[[int], Pulse]] = {
    "broker": lambda port: pulse.broker(f"nats://user:secret@127.0.0.1:{port}"),
    "database": lambda port: pulse.database(f"postgresql://user:secret@127.0.0.1:{port}/billing"),
    "service": lambda port: pulse.service(f"http://127.0.0.1:{port}"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_takes_connections_and_says_nothing_does_not_answer_and_is_not_waited_for(
    ask: Callable[[int], Pulse],
) -> None:
    with hung() as port:
        began = time.monotonic()
        found = ask(port)
    assert (found.wrong, found.live) == (SILENT, False)
    assert time.monotonic() - began < PATIENCE_SECONDS * 1.5 + 1


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_where_nothing_listens_it_is_known_at_once(ask: Callable[[int], Pulse]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = ask(port)
    assert (found.wrong, found.live) == ("nothing listens there", False)
    assert "secret" not in found.wrong


def test_a_broker_and_a_database_are_known_by_their_greetings_and_one_of_several_is_enough(
    nats_url: str, postgres_dsn: str
) -> None:
    assert pulse.broker(nats_url) == pulse.database(postgres_dsn) == pulse.WELL
    with hung() as port:
        assert pulse.broker(f"nats://u:p@127.0.0.1:{port},{nats_url}") == pulse.WELL
    with listening(lambda known: known.sendall(b"HTTP/1.1 400\r\n\r\n")) as port:
        assert "something else" in pulse.broker(f"nats://127.0.0.1:{port}").wrong
        assert "something else" in pulse.database(f"postgresql://127.0.0.1:{port}/x").wrong


def test_a_service_says_what_fails_and_one_that_is_slow_to_say_it_is_known_to_live() -> None:
    with fake_operator() as fake:
        fake.routes["/readyz"] = Refused(503)
        assert pulse.service(fake.url) == Pulse("it answers 503")
        fake.routes["/readyz"] = {"status": "ok"}
        assert pulse.service(fake.url) == pulse.WELL
        release = threading.Event()
        fake.routes |= {"/readyz": lambda *_: release.wait(10), "/healthz": {"status": "ok"}}
        found = pulse.service(fake.url, seconds=0.4)
        release.set()
        assert found == Pulse(SILENT, live=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nats://a:b@h1:1", [("h1", 1)]),
        ("nats://a:b@h1", [("h1", 4222)]),
        ("nats://a:b@h1:1,nats://a:b@h2:2", [("h1", 1), ("h2", 2)]),
        ("postgresql://u:p@h1:1,h2:2/db?target_session_attrs=read-write", [("h1", 1), ("h2", 2)]),
        ("postgresql://u:p@[::1]:7/db", [("::1", 7)]),
        ("postgresql://u:p,q@h1/db", [("h1", 4222)]),
        ("postgresql:///db?host=/var/run", []),
    ],
)
def test_addresses_are_read_from_every_form_of_a_url(url: str, expected: list[tuple[str, int]]) -> None:
    assert pulse.addresses(url, 4222) == expected
