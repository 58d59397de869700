"""File descriptors: what the system allows a process to have open at a time."""

from __future__ import annotations

import resource

from atlas_kit.process.logs import get_logger

log = get_logger()

RESERVED = 256
"""For the broker, databases, other services, files, and connections that are being turned away or closed."""


def room_for(connections: int) -> int:
    """As many of ``connections`` as the system allows, once this process has asked for all it may have.

    Past the limit the system refuses connections itself, without an answer and without regard for who is waiting.
    """
    wanted = connections + connections // 4 + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    fitting = max(16, (soft - RESERVED) * 4 // 5)
    log.warning("http.few_descriptors", wanted=connections, connections=fitting)
    return fitting
