"""Draws what every panel of the dashboards shows of a running stack: `PYTHONPATH=tests python e2e/faults/draw_dashboards.py`.

Some purchases, refunds, a refused payment and a broker that is away for a moment, then docs/images/dashboard-*.svg. The
panels' own queries are asked, with windows of seconds instead of minutes and hours.
"""

from __future__ import annotations

import html
import json
import math
import re
import time
from typing import Any

import httpx

from support.buyer import Buyer
from support.faults import alerting
from support.prometheus import OBSERVABILITY, Prometheus, watching
from support.stack import WORKSPACE, Stack, eventually, running_stack

ROUNDS, STEP_SECONDS = 12, 3
WIDTH, HEIGHT, COLUMNS, MARGIN = 380, 150, 2, 12
COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
MOST_LINES = len(COLOURS)


def main() -> None:
    with running_stack({"RATE_LIMIT_CHECKOUT": "0"}) as stack, watching(stack) as watch:
        began = time.time()
        live(stack, watch)
        ended = time.time()
        for path in sorted((OBSERVABILITY / "dashboards").glob("*.json")):
            drawn = draw(json.loads(path.read_text()), watch, began, ended)
            (WORKSPACE / "docs" / "images" / f"dashboard-{path.stem}.svg").write_text(drawn)
            print(f"docs/images/dashboard-{path.stem}.svg")


def live(stack: Stack, watch: Prometheus) -> None:
    stack.atlas("audit")
    for number in range(ROUNDS):
        buyer = Buyer(stack)
        session_id = buyer.buy()
        if number % 3 == 0:
            buyer.refund(session_id)
        if number == ROUNDS // 3:
            with alerting.parked_event(stack), alerting.refused_payment(stack):
                eventually(lambda: watch.query("atlas_payments_in_review > 0") and watch.query("atlas_parked_events > 0"))
                time.sleep(2 * STEP_SECONDS)
        if number == ROUNDS // 2:
            with alerting.broker_down(stack):
                time.sleep(2 * STEP_SECONDS)
    time.sleep(2 * STEP_SECONDS)  # two more looks of Prometheus, so that the last purchase is in the picture


def draw(board: dict[str, Any], watch: Prometheus, began: float, ended: float) -> str:
    panels = board["panels"]
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * (WIDTH + MARGIN) + MARGIN, rows * (HEIGHT + MARGIN) + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">']
    parts.append(f'<rect width="{width}" height="{height}" fill="#f8fafc"/>')
    for number, panel in enumerate(panels):
        x = MARGIN + (number % COLUMNS) * (WIDTH + MARGIN)
        y = MARGIN + (number // COLUMNS) * (HEIGHT + MARGIN)
        series = [line for target in panel["targets"] for line in asked(target, watch, began, ended)]
        parts.append(f'<g transform="translate({x},{y})">{picture(panel["title"], series, began, ended)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def asked(target: dict[str, str], watch: Prometheus, began: float, ended: float) -> list[tuple[str, list[tuple[float, float]]]]:
    query = {"query": re.sub(r"\[\d+[mh]\]", "[15s]", target["expr"]), "start": began, "end": ended, "step": STEP_SECONDS}
    answer = httpx.get(f"{watch.url}/api/v1/query_range", params=query, timeout=30).raise_for_status().json()
    return [
        (
            re.sub(r"\{\{(\w+)\}\}", lambda name, row=row: row["metric"].get(name[1], ""), target["legendFormat"]),
            [(float(at), float(value)) for at, value in row["values"] if math.isfinite(float(value))],
        )
        for row in answer["data"]["result"]
    ]


def picture(title: str, series: list[tuple[str, list[tuple[float, float]]]], began: float, ended: float) -> str:
    shown = sorted((line for line in series if line[1]), key=lambda line: -max(value for _, value in line[1]))[:MOST_LINES]
    top = max((value for _, points in shown for _, value in points), default=0) or 1
    left, right, upper, lower = 52, WIDTH - 140, 26, HEIGHT - 14
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" rx="4" fill="#ffffff" stroke="#cbd5e1"/>']
    parts.append(f'<text x="8" y="16" font-weight="bold" font-size="11">{html.escape(title)}</text>')
    parts.append(f'<path d="M{left} {upper}V{lower}H{right}" fill="none" stroke="#94a3b8"/>')
    parts.append(f'<text x="{left - 4}" y="{upper + 4}" text-anchor="end">{top:.3g}</text><text x="{left - 4}" y="{lower}" text-anchor="end">0</text>')
    for number, (name, points) in enumerate(shown):
        path = " ".join(
            f"{left + (at - began) / (ended - began) * (right - left):.1f},{lower - value / top * (lower - upper):.1f}" for at, value in points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>')
        parts.append(f'<text x="{right + 8}" y="{upper + 6 + 13 * number}" fill="{COLOURS[number]}">{html.escape(name.strip()[:20])}</text>')
    return "".join(parts)


if __name__ == "__main__":
    main()
