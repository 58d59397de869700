"""A browser for each module: Playwright's loop must not be left running in the thread of asynchronous tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from support.chromium import chromium, mark_as_clicking
from support.gallery import gallery
from support.shopper import Shopper
from support.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_as_clicking(items, Path(__file__).parent)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


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
