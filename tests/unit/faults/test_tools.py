"""Who tests the testers: the proxy misbehaves as told, a seed draws the same faults, the checker sees what is missing."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.faults.checker import compare
from support.faults.proxy import Link, Proxies
from support.faults.schedule import PROCESSES, TARGETS, draw

HEARD: list[bytes] = []


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while received := self.request.recv(4096):
                HEARD.append(received)
                self.request.sendall(received)


@dataclass
class Way:
    proxies: Proxies
    client: socket.socket

    def told(self, method: str) -> None:
        self.proxies.call("echo", method)
        time.sleep(0.05)  # the proxies' loop runs in a thread of its own

    def new_client(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.proxies.links["echo"].port), timeout=5)


@pytest.fixture
def way() -> Iterator[Way]:
    HEARD.clear()
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with Proxies({"echo": Link("echo", free_port(), server.server_address[1])}) as proxies:
            found = Way(proxies, socket.create_connection((LOOPBACK, proxies.links["echo"].port), timeout=5))
            with found.client:
                assert ask(found.client, b"hello") == b"hello"
                yield found
        server.shutdown()


def ask(client: socket.socket, message: bytes) -> bytes:
    client.sendall(message)
    return client.recv(4096)


def nothing_comes(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        return not client.recv(4096) and False
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)


def test_latency_delays_and_loses_nothing(way: Way) -> None:
    way.proxies.set("echo", "latency", 0.1)
    time.sleep(0.05)
    started = time.monotonic()
    assert ask(way.client, b"late") == b"late"
    assert time.monotonic() - started >= 0.2, "there and back"


def test_a_stalled_link_flows_on_when_it_heals(way: Way) -> None:
    way.told("stall")
    way.client.sendall(b"patience")
    assert nothing_comes(way.client)
    way.told("heal")
    assert way.client.recv(4096) == b"patience"


def test_what_was_swallowed_never_comes_and_the_connection_ends_when_the_link_heals(way: Way) -> None:
    way.told("swallow")
    way.client.sendall(b"gone")
    assert nothing_comes(way.client)
    way.told("heal")
    with pytest.raises(ConnectionResetError):
        way.client.recv(4096)
    assert HEARD == [b"hello"]
    with way.new_client() as another:
        assert ask(another, b"again") == b"again"


def test_reset_ends_connections_and_welcomes_new_ones_and_refuse_does_not(way: Way) -> None:
    way.told("reset_all")
    with pytest.raises(ConnectionResetError):
        way.client.recv(4096)
    with way.new_client() as another:
        assert ask(another, b"again") == b"again"
    way.told("refuse")
    with pytest.raises(ConnectionResetError), way.new_client() as refused:
        refused.recv(4096)


def test_a_half_closed_connection_still_carries_what_the_client_says(way: Way) -> None:
    way.told("half_close")
    assert way.client.recv(4096) == b"", "the server said goodbye"
    way.client.sendall(b"still here")
    deadline = time.monotonic() + 5
    while b"still here" not in HEARD:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cut_after_so_many_bytes_is_in_the_middle_of_an_answer(way: Way) -> None:
    way.proxies.set("echo", "cut_after", 3)
    time.sleep(0.05)
    way.client.sendall(b"abcdef")
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := way.client.recv(4096):
            received += chunk
    assert b"abc".startswith(received), "a reset may overtake the last bytes, never add any"
    assert HEARD == [b"hello", b"abcdef"], "the server heard all of the question"


def test_a_seed_draws_the_same_faults_and_kills_every_process() -> None:
    assert draw("a", 20) == draw("a", 20) != draw("b", 20)
    for seed in map(str, range(20)):
        assert {fault.target for fault in draw(seed, 10) if fault.kind == "kill"} == set(PROCESSES)


def test_seeds_draw_every_kind_of_fault() -> None:
    drawn = {(fault.kind, fault.target) for seed in map(str, range(200)) for fault in draw(seed, 30)}
    assert drawn == {("kill", name) for name in PROCESSES} | {(kind, name) for kind in TARGETS for name in TARGETS[kind]}


def test_the_checker_sees_what_is_lost_doubled_and_invented() -> None:
    assert not compare({"evt_1", "evt_2"}, {"evt_1"}, ["evt_2", "evt_1", "read:cs_1"])
    found = compare({"evt_1", "evt_2"}, {"evt_1", "grant-1"}, ["evt_2", "evt_2", "evt_3"])
    assert (found.lost, found.duplicated, found.invented) == ({"evt_1", "grant-1"}, ["evt_2"], {"evt_3"})
