"""Differences between two AsyncAPI documents: channels, their messages and headers. Payloads are documents of their own."""

from __future__ import annotations

from collections.abc import Iterator

from support.compatibility.differences import BOTH, READERS, Difference
from support.compatibility.json_schema import Comparison
from support.compatibility.openapi import without_names
from support.compatibility.shapes import Schema, resolved


def compared(was: Schema, now: Schema) -> list[Difference]:
    """Every difference that a consumer of the release could meet, by the channel's address."""
    return list(dict.fromkeys(_channels(was, now)))


def _channels(was: Schema, now: Schema) -> Iterator[Difference]:
    before, after = _by_address(was), _by_address(now)
    for address, channel in before.items():
        if address not in after:
            yield Difference(address, "channel removed", READERS)
            continue
        if _published(was, channel) and not _published(now, after[address]):
            yield Difference(address, "channel removed", READERS, "published", "not published")
        old, new = _messages(was, channel), _messages(now, after[address])
        for name, message in old.items():
            if name not in new:
                yield Difference(f"{address} {name}", "message removed", READERS)
            else:
                yield from _message(f"{address} {name}", message, new[name], Comparison(was, now), (was, now))


def _message(place: str, old: Schema, new: Schema, comparison: Comparison, documents: tuple[Schema, Schema]) -> Iterator[Difference]:
    before, after = (message.get("contentType", document.get("defaultContentType")) for message, document in zip((old, new), documents, strict=True))
    if before != after:
        yield Difference(place, "content type removed", READERS, str(before), str(after))
    yield from comparison.of(old.get("headers", True), new.get("headers", True), f"{place} headers")
    payloads = [message["payload"]["schema"]["$ref"] for message in (old, new)]
    if payloads[0] != payloads[1]:
        yield Difference(place, "form changed", BOTH, *payloads)


def _by_address(document: Schema) -> dict[str, Schema]:
    return {without_names(channel["address"]): {**channel, "key": key} for key, channel in document["channels"].items()}


def _published(document: Schema, channel: Schema) -> bool:
    sent = [operation for operation in document["operations"].values() if operation["action"] == "send"]
    return any(operation["channel"]["$ref"] == f"#/channels/{channel['key']}" for operation in sent)


def _messages(document: Schema, channel: Schema) -> dict[str, Schema]:
    found = [resolved(message["$ref"], document) for message in channel["messages"].values()]
    return {message["name"]: message for message in found}
