"""Calls without an SDK: what goes over the wire, and exactly what comes back."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .conftest import KEY


def encoded(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested parameters as ``a[b][0]``."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from encoded(child, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for place, child in enumerate(value):
            yield from encoded(child, f"{name}[{place}]")
    else:
        yield name, {True: "true", False: "false", None: ""}.get(value, str(value)) if not isinstance(value, int) or isinstance(value, bool) else str(value)


@dataclass
class Raw:
    """``answers`` keeps every body that was answered with 200."""

    url: str
    key: str = KEY
    answers: list[Any] = field(default_factory=list)

    def __call__(self, method: str, path: str, params: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and body."""
        text = params if isinstance(params, str) else urllib.parse.urlencode(list(encoded(params or {})))
        query = f"?{text}" if text and method != "POST" else ""
        request = urllib.request.Request(
            self.url + path + query,
            text.encode() if method == "POST" else None,
            {"Authorization": f"Bearer {self.key}", **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                body = json.loads(response.read())
                self.answers.append(body)
                return response.status, body
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def ok(self, method: str, path: str, params: Any = None) -> Any:
        """The body of a call that must succeed."""
        status, body = self(method, path, params)
        assert status == 200, body
        return body

    def get(self, path: str, **params: Any) -> Any:
        return self.ok("GET", path, params)

    def post(self, path: str, **params: Any) -> Any:
        return self.ok("POST", path, params)

    def refused(self, method: str, path: str, params: Any = None) -> dict[str, Any]:
        """The error of a call that must be refused."""
        status, body = self(method, path, params)
        assert status >= 400, body
        return {"status": status, **body["error"]}


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Each object in an answer, however deep."""
    if isinstance(value, list):
        for child in value:
            yield from objects_in(child)
    elif isinstance(value, dict):
        if isinstance(value.get("object"), str):
            yield value
        for child in value.values():
            yield from objects_in(child)
