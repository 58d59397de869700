"""What holds of every page: it fits its window, is accessible in both themes, and leaves a picture to look at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES = ("light", "dark")
AXE = "axe.run({resultTypes: ['violations']}).then(found => found.violations)"
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def accessible_and_fits(page: Page, view: str, widths: Iterable[int], pictures: Path) -> None:
    """Fails where the page scrolls sideways or axe finds a violation; leaves `VIEW-THEME-WIDTH.png` in `pictures`."""
    pictures.mkdir(parents=True, exist_ok=True)
    page.evaluate(Axe().axe_script)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate(DRAWN)
            page.screenshot(path=pictures / f"{view}-{theme}-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width}: scrolls sideways"
        violations = page.evaluate(AXE)
        assert not violations, [(v["id"], [n["html"] for n in v["nodes"]]) for v in violations]
