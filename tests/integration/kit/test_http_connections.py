"""The server that all four services share, with few connections allowed: who is ended, who is turned away, who stays."""

from __future__ import annotations

import threading

import pytest

from support.http_server import GET, HALF_A_BODY, LARGE, MOST, SLOW, Served, answered, heard, still_open
from support.stack import eventually


def test_the_one_that_has_been_idle_the_longest_makes_room(served: Served) -> None:
    idle = [served.connect(GET) for _ in range(MOST)]
    for line in idle:
        assert answered(line).startswith(b"HTTP/1.1 200")
    idle[0].sendall(GET)  # no longer the one that has waited the longest
    assert answered(idle[0]).startswith(b"HTTP/1.1 200")
    newcomer = served.connect(GET)
    assert answered(newcomer).startswith(b"HTTP/1.1 200")
    assert heard(idle[1]) in {b"", b"xx"}, "ended without a word, between two requests"
    assert all(still_open(line) for line in (idle[0], *idle[2:]))
    assert served.open == MOST


@pytest.mark.parametrize("begun", [b"POST / HTTP/1.1\r\nHo", HALF_A_BODY + b"x"], ids=["in the head", "in the body"])
def test_who_is_slow_to_say_what_it_wants_makes_room_and_hears_so(served: Served, begun: bytes) -> None:
    slow = [served.connect(begun) for _ in range(MOST)]
    eventually(lambda: [c._in_the_middle() for c in list(served.among._open)] == [True] * MOST)
    assert answered(served.connect(GET)).startswith(b"HTTP/1.1 200")
    told = heard(slow[0])
    assert told.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in told
    assert all(still_open(line) for line in slow[1:])


def test_who_waits_for_an_answer_is_never_ended_and_the_newcomer_hears_503(served: Served) -> None:
    busy = [served.connect(SLOW) for _ in range(MOST)]
    eventually(lambda: served.asked.count("/slow") == MOST)
    newcomer = served.connect(HALF_A_BODY, b"x" * 60_000)
    told = heard(newcomer)
    assert told.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in told and b"connection: close" in told
    served.go.set()
    assert all(answered(line).startswith(b"HTTP/1.1 200") for line in busy)
    assert "/" not in served.asked, "who is turned away causes nothing"


def hesitating(served: Served, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """The process stops where it lets the next connection in: (it is there, it may go on)."""
    arrived, go_on, enter = threading.Event(), threading.Event(), served.among.enter

    def wait(connection: object) -> bool:
        arrived.set()
        go_on.wait(10)
        return enter(connection)

    monkeypatch.setattr(served.among, "enter", wait)
    return arrived, go_on


def test_who_has_sent_what_a_busy_process_did_not_come_to_read_is_not_ended(served: Served, monkeypatch) -> None:
    idle = [served.connect(GET) for _ in range(MOST)]
    for line in idle:
        assert answered(line).startswith(b"HTTP/1.1 200")
    arrived, go_on = hesitating(served, monkeypatch)
    newcomer = served.connect(GET)
    assert arrived.wait(10)
    for line in idle:
        line.sendall(GET)
    go_on.set()
    assert heard(newcomer).startswith(b"HTTP/1.1 503")
    for line in idle:
        assert b"HTTP/1.1 200" in answered(line)  # the rest of the first answer may come before it


def test_a_byte_at_the_right_moment_is_no_protection_for_long(served: Served, monkeypatch) -> None:
    slow = [served.connect(b"POST / HTTP/1.1\r\nHo") for _ in range(MOST)]
    eventually(lambda: [c._in_the_middle() for c in list(served.among._open)] == [True] * MOST)
    arrived, go_on = hesitating(served, monkeypatch)
    newcomer = served.connect(GET)
    assert arrived.wait(10)
    for line in slow[:-1]:
        line.sendall(b"s")
    go_on.set()
    assert answered(newcomer).startswith(b"HTTP/1.1 200")
    assert heard(slow[-1]).startswith(b"HTTP/1.1 503"), "the one that was silent"
    eventually(lambda: len(served.among._waiting) == MOST, 5)
    later = [served.connect(GET) for _ in range(MOST)]
    assert all(answered(line).startswith(b"HTTP/1.1 200") for line in later)
    assert all(heard(line).startswith(b"HTTP/1.1 503") for line in slow[:-1])


def test_who_was_turned_away_does_not_stay(served: Served) -> None:
    busy = [served.connect(SLOW) for _ in range(MOST)]
    eventually(lambda: served.asked.count("/slow") == MOST)
    refused = [served.connect() for _ in range(20)]
    assert all(heard(line).startswith(b"HTTP/1.1 503") for line in refused)
    assert served.open == MOST and len(served.among._refused) <= MOST // 4
    served.go.set()
    assert all(answered(line).startswith(b"HTTP/1.1 200") for line in busy)
    assert answered(served.connect(GET)).startswith(b"HTTP/1.1 200")


def test_half_bodies_hold_no_more_memory_than_is_allowed(served: Served) -> None:
    """100,000 bytes here: of three halves of 40,000, the first gives way."""
    lines = [served.connect(HALF_A_BODY, b"x" * 40_000) for _ in range(3)]
    told = heard(lines[0])
    assert told.startswith(b"HTTP/1.1 503")
    lines[2].sendall(b"x" * 20_000)
    assert answered(lines[2]).startswith(b"HTTP/1.1 200")
    assert still_open(lines[1])
    lines[1].close()
    eventually(lambda: served.among._held == 0, 5)


def test_a_packet_full_of_requests_ends_the_connection(served: Served) -> None:
    flood = served.connect(SLOW, GET * 5_000)
    eventually(lambda: "/slow" in served.asked)
    assert heard(flood) == b""
    served.go.set()
    few = served.connect(GET * 10)
    received = b""
    while received.count(b"HTTP/1.1 200") < 10:
        received += few.recv(65_536)
    assert served.asked.count("/") == 10, "and none of the flood's"
    assert served.among._waiting, "whose requests are all answered, it waits again"


def test_an_answer_that_nobody_reads_is_not_kept(served: Served) -> None:
    deaf = served.connect(LARGE)
    eventually(lambda: "/large" in served.asked)
    assert served.open == 1
    eventually(lambda: served.open == 0, 5, "it is ended")
    deaf.close()


def test_a_closed_connection_leaves_nothing_behind(served: Served) -> None:
    for _ in range(50):
        line = served.connect(HALF_A_BODY, b"x" * 100)
        line.close()
        other = served.connect(GET)
        answered(other)
        other.close()
    eventually(lambda: served.open == 0)
    assert not (served.among._waiting or served.among._bodies or served.among._refused or served.among._held)
