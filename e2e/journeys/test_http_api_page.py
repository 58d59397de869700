"""docs/http-api.md: every route has a curl on the page, and each answers as the page says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.buyer import new_user
from support.pages import addresses, fenced
from support.stack import WORKSPACE, Stack

PAGE = WORKSPACE / "docs" / "http-api.md"
MARK = "@@ status"
CURL = f"curl() {{ command curl -sS --max-time 30 -w '\\n{MARK} %{{http_code}} %{{redirect_url}}\\n' \"$@\"; }}\n"
BARE = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json"), ("POST", "/api/billing/stripe/webhook")}
"""Routes that no OpenAPI document describes: of every service, of webhook-ingest."""


def test_every_route_has_a_curl() -> None:
    described = set(BARE)
    for document in ("tests/contract/account_gateway/openapi.json", "shared/contracts/read_api.openapi.json"):
        paths = json.loads((WORKSPACE / document).read_text())["paths"]
        described |= {(method.upper(), path) for path, methods in paths.items() for method in methods}
    called = {call(line) for kind, block in fenced(PAGE) if kind == "sh" for line in block.splitlines() if "curl " in line}
    for method, path in sorted(described):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        assert any(method == how and re.fullmatch(pattern, where) for how, where in called), f"{method} {path} has no curl in docs/http-api.md"


def call(line: str) -> tuple[str, str]:
    """Method and path of a line with curl."""
    [path] = re.findall(r"http://127\.0\.0\.1:\d+(/[^?\s'\"]*)", line)
    said = re.search(r"-X (\w+)", line)
    return (said[1] if said else "POST" if re.search(r" -d ", line) else "GET"), path.removesuffix("/$SESSION/pay")


def test_every_curl_answers_as_the_page_says(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / ".atlas").symlink_to(stack.home)
    (tmp_path / ".venv").symlink_to(WORKSPACE / ".venv")
    user = new_user()  # the page's ada is everybody's
    blocks = [(kind, re.sub(r"\bada\b", user, addresses(block, stack))) for kind, block in fenced(PAGE) if kind in {"sh", "text"}]
    assert [kind for kind, _ in blocks] == ["sh", "text"] * (len(blocks) // 2)
    script = CURL + "".join(f"echo '@@ block'\n{block}" for kind, block in blocks if kind == "sh")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, text=True, capture_output=True, timeout=120)

    answers = done.stdout.split("@@ block\n")[1:]
    wanted = [block for kind, block in blocks if kind == "text"]
    assert len(answers) == len(wanted), done.stderr
    for printed, promised in zip(answers, wanted, strict=True):
        status, _, said = promised.strip().partition(" ")
        [*_, (body, answered, redirect)] = re.findall(rf"(.*?)\n{MARK} (\d+) (\S*)\n", printed, re.DOTALL)
        assert answered == status, f"{promised}\n{printed}\n{done.stderr}"
        compare(said, redirect or body.strip())


def compare(promised: str, got: str) -> None:
    """A JSON answer by its keys and values, with `…` for anything; a redirect and the stream's lines as text."""
    if promised.startswith("{"):
        likeness(json.loads(promised.replace("[…]", '["…"]')), json.loads(got), promised)
    elif promised.startswith("event:"):
        lines = [line for line in got.splitlines() if line.startswith(("event: ", "data: "))]
        event, data = promised.splitlines()
        assert lines[0] == event
        compare(data.removeprefix("data: "), lines[1].removeprefix("data: "))
    else:
        likeness(promised, got if promised else "", promised)


def likeness(promised: Any, got: Any, where: str) -> None:
    if isinstance(promised, str):
        assert isinstance(got, str) or promised == "…", where
        assert promised == "…" or re.fullmatch(re.escape(promised).replace("…", ".+"), got), (promised, got, where)
    elif isinstance(promised, dict):
        assert isinstance(got, dict) and promised.keys() == got.keys(), (got, where)
        for name, value in promised.items():
            likeness(value, got[name], f"{name} of {where}")
    elif isinstance(promised, list):
        assert isinstance(got, list) and (promised == ["…"] or len(promised) == len(got)), (got, where)
        for one, other in zip(promised, got, strict=False):
            likeness(one, other, where)
    elif isinstance(promised, int | float) and not isinstance(promised, bool):
        assert isinstance(got, int | float) and not isinstance(got, bool), (got, where)
    else:
        assert promised is got, (promised, got, where)


@pytest.mark.parametrize(
    ("promised", "got"),
    [
        ('{"a": 1}', '{"a": 1, "b": 2}'), ('{"a": "x…"}', '{"a": "y1"}'), ('{"a": true}', '{"a": 1}'), ('{"a": [{"b": 1}]}', '{"a": []}'),
        ('{"a": null}', '{"a": "x"}'), ("http://a/…", "http://b/1"), ("event: x\ndata: {}", "event: y\ndata: {}"),
    ],
)  # fmt: skip
def test_another_answer_is_noticed(promised: str, got: str) -> None:
    with pytest.raises(AssertionError):
        compare(promised, got)
