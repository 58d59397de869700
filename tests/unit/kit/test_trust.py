"""When a node of the broker that does nothing any more is left for another one."""

from __future__ import annotations

from atlas_kit.messaging.trust import Trust


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def trust() -> tuple[Trust, Clock]:
    clock = Clock()
    return Trust(5.0, clock), clock


def test_a_request_that_was_sent_so_long_after_the_first_in_vain_is_enough() -> None:
    waiting, _ = trust()
    assert [waiting.not_done(asked_at) for asked_at in (110.0, 112.0, 114.9, 115.0)] == [False, False, False, True]


def test_how_long_a_request_waited_is_no_matter_for_when_it_was_sent_there_was_no_leader_yet() -> None:
    waiting, clock = trust()
    clock.now = 130.0
    assert not waiting.not_done(asked_at=100.0) and not waiting.not_done(asked_at=104.0)


def test_they_may_fail_in_another_order_than_they_were_sent_in() -> None:
    waiting, _ = trust()
    assert not waiting.not_done(asked_at=104.0) and not waiting.not_done(asked_at=101.0)
    assert waiting.not_done(asked_at=106.0)


def test_what_was_done_meanwhile_begins_it_anew_even_for_a_request_that_was_sent_before() -> None:
    waiting, clock = trust()
    assert not waiting.not_done(asked_at=100.0)
    clock.now = 106.0
    waiting.done()
    assert not waiting.not_done(asked_at=105.5), "others were answered since: it is this one that is slow"
    assert not waiting.not_done(asked_at=110.9)
    assert waiting.not_done(asked_at=111.0)


def test_the_next_node_gets_as_long() -> None:
    waiting, clock = trust()
    clock.now = 107.0
    assert not waiting.not_done(asked_at=100.0) and waiting.not_done(asked_at=106.0)
    assert not waiting.not_done(asked_at=106.5), "this one was sent to the node that was left"
    assert not waiting.not_done(asked_at=111.9)
    assert waiting.not_done(asked_at=112.0)
