"""Receiving from the broker: FastStream subscribers on the service's one connection (docs/decisions/0005).

:class:`Listeners` is the service's FastStream broker; :func:`follow_durable` adds a subscriber that reads a durable
consumer in batches. Publishing stays with :class:`atlas_kit.messaging.broker.Broker`, on the same connection.
"""

from atlas_kit.messaging.listening.batches import BatchSubscriber, follow_durable
from atlas_kit.messaging.listening.durable import Durable
from atlas_kit.messaging.listening.listeners import Listeners

__all__ = ["BatchSubscriber", "Durable", "Listeners", "follow_durable"]
