"""File descriptors: how many connections the system allows a process to have open at a time."""

from __future__ import annotations

import resource

from atlas_kit.process.logs import get_logger

log = get_logger()

RESERVED = 256
"""Descriptors kept free for the broker, databases, other services, files, and connections that are being closed."""


def room_for(connections: int) -> int:
    """Raise this process's limit of open files if needed, and return how many of ``connections`` it allows.

    Beyond that limit the system itself would refuse connections, without an answer and without choosing among clients.
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
