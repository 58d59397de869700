"""The nodes of a broker's cluster that store a stream: whether each has all of it."""

from __future__ import annotations

from nats.js.api import StreamInfo

from atlas_operator.doctor.finding import Report

NO_LEADER = "More than half of the nodes that store it have to run and reach each other. Start those that don't."
CATCHES_UP = (
    "A node that is back catches up by itself. Where it does not within minutes, stop it, empty its store and start it:"
    " it copies everything from the other two (docs/runbook.md)."
)


def look(report: Report, info: StreamInfo) -> None:
    """Report nodes that are away or lack something; of a broker without a cluster there is nothing to say."""
    cluster, name = info.cluster, info.config.name
    if cluster is None or (info.config.num_replicas or 1) == 1:
        return
    if not cluster.leader:
        report.error(f"stream {name} has no leader: nothing can be stored in it", NO_LEADER)
        return
    others = cluster.replicas or []
    behind = [peer.name for peer in others if peer.offline or not peer.current]
    if behind:
        have = len(others) + 1 - len(behind)
        report.warning(
            f"stream {name} is whole on {have} of {len(others) + 1} nodes, not on {', '.join(map(str, behind))}",
            CATCHES_UP,
        )
    else:
        report.ok(f"stream {name} is whole on {len(others) + 1} nodes")
