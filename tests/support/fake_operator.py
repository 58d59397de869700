"""The services' `/operator` routes as the command line sees them, answered from a table: for what no real system would
say (hostile ids, broken answers), and for asking each command a hundred things in a second.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from support.identity import key_of

Query = dict[str, list[str]]
Answer = Callable[[Query, Any], Any]
VARIABLES = ("ENTITLEMENTS_URL", "CHECKOUT_URL", "WEBHOOK_INGEST_URL", "ACCOUNT_GATEWAY_URL")


@dataclass
class Lines:
    """An NDJSON answer."""

    rows: list[Any]


@dataclass
class Refused:
    """An error in the public envelope."""

    status: int
    message: str = "Refused."


def nobody(user: str) -> dict[str, Any]:
    """What explain says of somebody of whom nothing is known."""
    verdict = {"isPro": False, "status": "none", "source": None, "activeFrom": None, "activeUntil": None, "version": 0}
    lists: dict[str, list[Any]] = {name: [] for name in ("payments", "adjustments", "rejected", "pending", "wouldChange", "requests")}
    return {"userId": user, "verdict": verdict, "grantedByOperator": False, **lists}


@dataclass
class FakeOperator:
    """What each route answers: a value, or a function of query and body. `asked` is what was asked, in order."""

    url: str = ""
    routes: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, Query, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.routes = {
            "/operator/explain": lambda query, _: nobody(query["user"][0]),
            "/operator/find": {"users": [], "payments": [], "known": False},
            "/operator/whose": {"known": False, "userId": None, "checkoutSessionId": None, "paymentIntentId": None},
            "/operator/reviews": {"refused": [], "fraudWarnings": []},
            "/operator/audits": {"kept": True},
            "/operator/holders": Lines([]),
            "/operator/provider-state": Lines([{"done": True, "payments": 0}]),
            "/operator/parked": [],
            "/operator/adjustments": {"eventId": "manual:k:entitlement_granted", "appended": True},
            "/operator/forget": {"known": True, "facts": 1, "sessions": 1, "places": []},
            "/operator/rebuild": Lines([{"result": {"facts": 1, "differences": 0}}]),
            "/operator/states": {"bucket": True, "users": 0, "compared": 0, "missing": 0, "different": 0, "extra": 0, "examples": []},
            "/operator/republish": Lines([{"done": 1, "total": 2}, {"result": {"users": 2, "written": 0, "removed": 0, "announced": 0}}]),
            "/operator/pull": Lines([{"stage": "done", "counts": {}}]),
            "/operator/state": lambda *_: {"ledgerFacts": sum(method == "POST" for method, *_ in self.asked), "pro": 1},
        }

    def posts(self, path: str) -> list[Any]:
        """The bodies posted to a path."""
        return [body for method, asked, _, body in self.asked if method == "POST" and asked == path]

    def answer(self, method: str, target: str, body: Any) -> Any:
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        self.asked.append((method, path, query, body))
        found = self.routes.get(path, Refused(404, "Not found."))
        return found(query, body) if callable(found) else found


@contextmanager
def fake_operator() -> Iterator[FakeOperator]:
    fake = FakeOperator()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fake: FakeOperator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", None)

        def do_POST(self) -> None:
            self._answer("POST", json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, method: str, body: Any) -> None:
            told = fake.answer(method, self.path, body)
            status = told.status if isinstance(told, Refused) else 200
            if isinstance(told, Refused):
                told = {"ok": False, "error": {"code": "x", "message": told.message, "recovery": "none"}}
            rows = told.rows if isinstance(told, Lines) else [told]
            payload = "".join(json.dumps(row) + "\n" for row in rows).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@dataclass
class Done:
    code: int
    out: str
    err: str


class CommandLine:
    """`./atlas`, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for name in VARIABLES:
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("INTERNAL_SIGNING_KEY", json.dumps(key_of("operator")))

    def __call__(self, *arguments: str) -> Done:
        from atlas_localstack.cli.app import main

        self._monkeypatch.setattr(sys, "argv", ["atlas", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        told = self._capsys.readouterr()
        return Done(left.value.code if isinstance(left.value.code, int) else 1, told.out, told.err)
