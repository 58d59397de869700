"""What ``/metrics`` reads when it is asked: what is parked, and how the newest pull ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from atlas_contracts.streams import PARKED
from atlas_kit.http.figures import Figure
from atlas_kit.messaging.broker import Broker
from webhook_ingest.adapters.metrics import PARKED_WAITING, PULL_FAILED
from webhook_ingest.adapters.parked_reader import ParkedReader
from webhook_ingest.adapters.pull_state import PullState


def figures(broker: Broker, parked: ParkedReader, pull: PullState) -> Sequence[Figure]:
    """Everything that is read for ``/metrics``. While the broker doesn't answer, the gauges stay as they were."""
    return [_Waiting(broker, parked).read, lambda: _read_pull(pull)]


class _Waiting:
    """What is parked; the stream is read only when something was added to it or has left it."""

    def __init__(self, broker: Broker, parked: ParkedReader) -> None:
        self._broker, self._parked = broker, parked
        self._seen: tuple[int, int] | None = None

    async def read(self) -> None:
        state = (await self._broker.jetstream.stream_info(PARKED.name)).state
        now = (state.first_seq, state.last_seq)
        if now == self._seen:
            return
        counts = Counter(each.data.reason for each in await self._parked.waiting())
        PARKED_WAITING.clear()
        for reason, count in counts.items():
            PARKED_WAITING.labels(reason).set(count)
        self._seen = now


async def _read_pull(pull: PullState) -> None:
    ended = await pull.ended()
    PULL_FAILED.clear()
    if ended and ended.reason:
        PULL_FAILED.labels(ended.reason).set(1)
