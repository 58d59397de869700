"""Draws the trace of one purchase on a running stack: `PYTHONPATH=tests python e2e/faults/draw_trace.py`.

A page is open, somebody pays, and the spans that arrive at a receiver become docs/images/trace.svg: the trace from the webhook to the
live update, and below it the batch in which the fact was folded, which is a trace of its own.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterator

from support.buyer import Buyer
from support.otlp import Receiver, Span, receiving
from support.stack import WORKSPACE, Stack, eventually, running_stack

WARM_UP = 5
"""Purchases before the one that is drawn: the first ones pay for connections and caches."""
WIDTH, ROW, NAMES, MARGIN = 980, 22, 400, 14
COLOURS = {"webhook-ingest": "#2563eb", "entitlements": "#059669", "account-gateway": "#d97706", "checkout": "#7c3aed"}


def main() -> None:
    with receiving() as receiver:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200", "BILLING_PULL_INTERVAL_SECONDS": "0"}
        with running_stack(traced) as stack:
            for _ in range(WARM_UP):
                watched_purchase(stack)
            drawn = draw(*bought(receiver, watched_purchase(stack)))
    where = WORKSPACE / "docs" / "images" / "trace.svg"
    where.write_text(drawn)
    print(where.relative_to(WORKSPACE))


def watched_purchase(stack: Stack) -> str:
    """One purchase with an open page; gives the id that the page was told."""
    buyer = Buyer(stack)
    session_id = buyer.open_checkout()
    with buyer.browser.stream("GET", "/api/pro/entitlement/stream", timeout=60) as stream:
        told: list[str] = []

        def follow() -> None:
            for line in stream.iter_lines():
                told.append(line)
                if '"isPro":true' in line:
                    return

        following = threading.Thread(target=follow)
        following.start()
        eventually(lambda: told, what="the present state")
        time.sleep(0.5)  # so that the page's first reading is over
        buyer.pay(session_id)
        following.join(60)
    return next(line.removeprefix("id: ") for line in told if line.startswith("id: "))


def bought(receiver: Receiver, request_id: str) -> tuple[list[Span], list[Span]]:
    """The purchase's trace, and that of its batch."""

    def whole() -> list[Span]:
        mine = [span for span in list(receiver.spans) if span.attributes.get("atlas.request.id") == request_id]
        ids = {span.span_id for span in mine}
        return mine if any(not span.parent_id for span in mine) and all(s.parent_id in ids for s in mine if s.parent_id) and len(mine) > 9 else []

    trace = eventually(whole, what="the whole trace")
    batch_id = next(link[0] for span in trace for link in span.links if span.name.startswith("process billing."))
    return trace, eventually(lambda: len(receiver.trace(batch_id)) > 1 and receiver.trace(batch_id), what="the batch")


def rows(trace: list[Span], parent: str | None = None, depth: int = 0) -> Iterator[tuple[Span, int]]:
    for span in sorted((span for span in trace if span.parent_id == parent), key=lambda span: span.start):
        yield span, depth
        yield from rows(trace, span.span_id, depth + 1)


def draw(trace: list[Span], batch: list[Span]) -> str:
    shown = [*rows(trace), None, *rows(batch)]
    began, ended = min(s.start for s in [*trace, *batch]), max(s.end for s in [*trace, *batch])
    height = MARGIN * 3 + ROW * (len(shown) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    room = WIDTH - NAMES - MARGIN - 60

    def at(moment: int) -> float:
        return NAMES + (moment - began) / (ended - began) * room

    for number, (service, colour) in enumerate(COLOURS.items()):
        if any(span.service == service for span in trace):
            x = MARGIN + number * 150
            parts.append(f'<rect x="{x}" y="{MARGIN}" width="10" height="10" fill="{colour}"/><text x="{x + 16}" y="{MARGIN + 9}" fill="#0a0a0a">{service}</text>')
    for number, row in enumerate(shown):
        y = MARGIN * 2 + ROW * (number + 1)
        if row is None:
            words = "the batch in which the fact was folded, a trace of its own, linked to its facts:"
            parts.append(f'<text x="{MARGIN}" y="{y + 10}" fill="#525252" font-style="italic">{words}</text>')
            continue
        span, depth = row
        colour, left, right = COLOURS[span.service], at(span.start), at(span.end)
        parts.append(f'<text x="{MARGIN + 14 * depth}" y="{y + 10}" fill="#0a0a0a">{html.escape(span.name)}</text>')
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{max(2.0, right - left):.1f}" height="13" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{max(left + 2, right) + 4:.1f}" y="{y + 10}" fill="#525252">{(span.end - span.start) / 1e6:.1f} ms</text>')
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    main()
