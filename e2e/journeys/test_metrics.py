"""What the services show of themselves is what the docs say."""

from __future__ import annotations

import re

import httpx

from support.prometheus import SERVICES
from support.stack import WORKSPACE, Stack

ROW = re.compile(r"^\| `(atlas_\w+)` \| (\w+) \|", re.MULTILINE)


def test_the_table_in_the_docs_names_every_metric_with_its_type_and_no_other(stack: Stack) -> None:
    documented = dict(ROW.findall((WORKSPACE / "docs" / "observability.md").read_text()))
    shown: dict[str, str] = {}
    for service in SERVICES:
        text = httpx.get(stack.url(service) + "/metrics", timeout=30).text
        shown |= {name: kind for name, kind in re.findall(r"^# TYPE (atlas_\w+) (\w+)", text, re.MULTILINE) if not name.endswith("_created")}
    assert shown == documented


def test_no_label_holds_an_id(stack: Stack) -> None:
    for service in SERVICES:
        text = httpx.get(stack.url(service) + "/metrics", timeout=30).text
        values = set(re.findall(r'="([^"]*)"', text))
        assert not [value for value in values if re.search(r"^(cs|pi|ch|re|evt|cus|req)_(?=\w*\d)\w{6}|buyer-", value)]
