"""The browser of the tests that click: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from support import docker

PATIENCE_MS = 15_000
"""How long `expect` waits for what is to come. Other tests run beside: Playwright's own five seconds are too few."""
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Playwright's loop runs in the thread for as long: no asynchronous test may share it."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


def mark_as_clicking(items: Iterable[pytest.Item], folder: Path, *marks: pytest.MarkDecorator) -> None:
    """Tests of the folder need a browser: without one they are skipped, unless it is required.

    Chromium drops its connections whenever the machine's networks change (ERR_NETWORK_CHANGED), as they do with each
    container that starts or ends: so `./atlas test` runs what is marked `browser` after those of Docker.
    """
    inside = f"{folder}/"
    for item in items:
        if str(item.path).startswith(inside):
            item.add_marker("browser")
            for mark in marks:
                item.add_marker(mark)
            if not docker.required("browser") and not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip(reason="no chromium: apt-get install chromium"))
