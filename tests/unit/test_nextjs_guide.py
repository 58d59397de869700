"""docs/nextjs.md shows the example app's own files, which e2e/nextjs runs: nothing in it is typed by hand."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterator

import pytest

from support.stack import WORKSPACE

GUIDE = WORKSPACE / "docs" / "nextjs.md"
EXAMPLE = WORKSPACE / "clients" / "typescript" / "examples" / "nextjs"
SNIPPET = re.compile(
    r"(?P<indent> *)<!-- file: (?P<file>[^\s#]+)(?:#(?P<region>\w+))? -->\n *```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
CODE = re.compile(r"^ *```(?P<language>\w+)$", re.MULTILINE)
NOT_CODE = {"ini"}
"""Settings of the gateway, which the test's stack is given."""


def shown(file: str, region: str | None) -> str:
    """A file of the example, or what stands between `guide: region` and `guide: end` in it."""
    text = (EXAMPLE / file).read_text()
    if region is None:
        return text
    [part] = re.findall(rf"^ *// guide: {region}\n(.*?)^ *// guide: end$", text, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(part)


def without_marks(text: str) -> str:
    return re.sub(r"^ *// guide: .*\n", "", text, flags=re.MULTILINE)


def filled(guide: str) -> str:
    """The guide with each snippet as its file has it."""

    def put(found: re.Match[str]) -> str:
        text = without_marks(shown(found["file"], found["region"]))
        return found[0][: found.start("text") - found.start()] + textwrap.indent(text, found["indent"]) + found["indent"] + "```"

    return SNIPPET.sub(put, guide)


def snippets() -> Iterator[str]:
    for found in SNIPPET.finditer(GUIDE.read_text()):
        yield found["file"] + (f"#{found['region']}" if found["region"] else "")


def test_each_snippet_is_what_the_file_says() -> None:
    guide = GUIDE.read_text()
    if os.environ.get("ATLAS_WRITE"):
        GUIDE.write_text(filled(guide))
    assert guide == filled(guide), "make it again: ATLAS_WRITE=1 pytest tests/unit/test_nextjs_guide.py"


def test_no_code_in_it_is_only_typed() -> None:
    guide = GUIDE.read_text()
    assert len(list(snippets())) == len([found for found in CODE.finditer(guide) if found["language"] not in NOT_CODE])


def test_each_region_that_is_marked_is_shown() -> None:
    marked = {
        f"{path.relative_to(EXAMPLE)}#{name}"
        for path in EXAMPLE.rglob("*.ts*") if not {"node_modules", ".next"} & set(path.parts)
        for name in re.findall(r"^ *// guide: (?!end$)(\w+)$", path.read_text(), re.MULTILINE)
    }  # fmt: skip
    assert marked <= set(snippets())


def test_the_lock_names_no_registry_and_has_a_hash_of_each_package() -> None:
    packages = json.loads((EXAMPLE / "package-lock.json").read_text())["packages"]
    resolved = {name: entry.get("resolved", "") for name, entry in packages.items()}
    assert {name: place for name, place in resolved.items() if place} == {"node_modules/@atlas/billing": "file:../.."}
    assert {name for name, entry in packages.items() if "integrity" not in entry} == {"", "node_modules/@atlas/billing"}


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE.read_text()))
def test_each_link_leads_somewhere(path: str) -> None:
    assert (GUIDE.parent / path).exists()
