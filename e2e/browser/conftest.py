"""A browser for each module: Playwright's loop must not be left running in the thread of asynchronous tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from support.gallery import gallery
from support.shopper import Shopper
from support.stack import Stack

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need a browser."""
    here = Path(__file__).parent
    required = "browser" in os.environ.get("ATLAS_REQUIRE", "")
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            if not required and not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip(reason="no chromium: apt-get install chromium"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile; whatever its pages complain about fails the test."""
    fresh = browser.new_context(viewport={"width": 1280, "height": 800})
    fresh.set_default_timeout(10_000)
    complaints: list[str] = []
    fresh.on("weberror", lambda error: complaints.append(str(error.error)))
    fresh.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)

    def note_failure(request: Request) -> None:
        # The page was left while it loaded, or the test has cut the network.
        meant = any(word in (request.failure or "") for word in ("ERR_ABORTED", "ERR_INTERNET_DISCONNECTED"))
        if "/static/" in request.url and not meant:
            complaints.append(f"{request.url}: {request.failure}")

    fresh.on("requestfailed", note_failure)
    yield fresh
    fresh.close()
    assert not complaints


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def visitor(stack: Stack, context: BrowserContext, page: Page) -> Shopper:
    """Somebody who isn't signed in."""
    return Shopper(stack, context, page)


@pytest.fixture
def shopper(visitor: Shopper) -> Shopper:
    """A signed-in user that nobody else is."""
    return visitor.sign_in()


@pytest.fixture(scope="module")
def gallery_origin() -> Iterator[str]:
    """The pages alone, in any state."""
    with gallery() as origin:
        yield origin
