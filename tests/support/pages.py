"""Pages of docs/ as their tests read them, so that what is tested is what is written."""

from __future__ import annotations

import re
from pathlib import Path

from support.stack import Stack

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block, from top to bottom."""
    return blocks_of(page.read_text())


def blocks_of(text: str, *kinds: str) -> list[tuple[str, str]]:
    """The same of a part of a page; only blocks of these languages, where any are given."""
    return [(kind, block) for kind, block in FENCED.findall(text) if not kinds or kind in kinds]


def sections(page: Path) -> dict[str, str]:
    """The text below each `##` heading, by the heading; headings of one `#` end a section and begin none."""
    found = re.findall(r"^## ([^\n]+)\n(.*?)(?=^##? |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    return {title.strip(): text for title, text in found}


def addresses(text: str, stack: Stack) -> str:
    """The text with this stack's ports in the place of the default ones, 8000 to 8005."""
    return re.sub(r"127\.0\.0\.1:800([0-5])\b", lambda port: f"127.0.0.1:{stack.port_base + int(port[1])}", text)
