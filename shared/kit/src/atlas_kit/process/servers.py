"""The broker's address: one URL, or those of all nodes of a cluster, comma-separated (``NATS_URL``)."""

from __future__ import annotations


def servers_of(urls: str) -> list[str]:
    """Each node's URL. A client connects to any of them, and to another one when that node is away."""
    return [url.strip() for url in urls.split(",") if url.strip()]
