"""The browser of the tests that click: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from support import docker

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Playwright's loop runs in the thread for as long: no asynchronous test may share it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


def mark_as_clicking(items: Iterable[pytest.Item], folder: Path, *marks: pytest.MarkDecorator) -> None:
    """Tests of the folder need a browser: without one they are skipped, unless it is required."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker("browser")
            for mark in marks:
                item.add_marker(mark)
            if not docker.required("browser") and not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip(reason="no chromium: apt-get install chromium"))
