"""How far the projector is behind the stream, in messages and in seconds, for the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import Gauge

from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE
from atlas_kit.messaging.broker import Broker

LAG_MESSAGES = Gauge("atlas_projector_lag_messages", "Billing events that are stored and not yet folded.")
LAG_SECONDS = Gauge("atlas_projector_lag_seconds", "Age of the oldest of these; 0 where there is none.")
OLDEST = Gauge(
    "atlas_projector_oldest_unacknowledged_seconds",
    "Age of the oldest event that was delivered and is not acknowledged; 0 where there is none.",
)
MOST_SAMPLES = 1024


class ProjectorLag:
    """Ages are counted from the first look that saw a message in the stream, since no service may read messages just
    to look at them. They are short by at most the time between two looks, and begin anew with the process.
    """

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker, self._clock = broker, clock
        self._samples: list[tuple[int, float]] = []
        """The stream's last sequence and when it was seen first, oldest first."""

    async def read(self) -> None:
        """Set the gauges; NaN while the broker doesn't answer."""
        for gauge in (LAG_MESSAGES, LAG_SECONDS, OLDEST):
            gauge.set(float("nan"))
        jetstream = self._broker.jetstream
        last = (await jetstream.stream_info(BILLING.name)).state.last_seq
        consumer = await jetstream.consumer_info(BILLING.name, PROJECTOR_DURABLE)
        floor = (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) or 0
        delivered = consumer.num_ack_pending or 0
        waiting = (consumer.num_pending or 0) + delivered
        age = self.age_beyond(floor, last)
        LAG_MESSAGES.set(waiting)
        LAG_SECONDS.set(age if waiting else 0.0)
        OLDEST.set(age if delivered else 0.0)

    def age_beyond(self, floor: int, last: int) -> float:
        """Seconds since a message after sequence ``floor`` was first seen, when the stream's last one is ``last``."""
        now = self._clock()
        self._samples = [sample for sample in self._samples if floor < sample[0] <= last]
        if last > floor and (not self._samples or self._samples[-1][0] < last):
            self._samples.append((last, now))
        if len(self._samples) > MOST_SAMPLES:
            del self._samples[1::2]
        return now - self._samples[0][1] if self._samples else 0.0
