"""The support desk for tests: served in this process, for people whom a proxy in front names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from atlas_kit.http.connections import Connections
from atlas_kit.process.settings import load
from atlas_localstack.servers.ports import LOOPBACK, free_port
from atlas_operator.desk.app import build
from atlas_operator.desk.ports import Desk
from atlas_operator.desk.settings import DeskSettings
from atlas_operator.desk.support import Support
from atlas_operator.target import Target
from support.http_server import serving

SECRET = "a secret of proxy and desk"
PEOPLE = {
    "DESK_VIEWERS": "vera@support.example",
    "DESK_AGENTS": "Agnes@Support.example, axel@support.example",
    "DESK_APPROVERS": "petra@support.example,paul@support.example",
}
ROLES = {"viewer": "vera@support.example", "agent": "agnes@support.example", "approver": "petra@support.example"}


@dataclass
class At:
    """One person at the desk."""

    browser: httpx.Client
    _csrf: str = ""

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.browser.get(path, params=query)

    @property
    def csrf(self) -> str:
        """Of the forms on a page that this person was given."""
        if not self._csrf:
            found = re.search(r'name="csrf" value="([^"]+)"', self.get("/").text)
            assert found, "the first page has a form"
            self._csrf = found[1]
        return self._csrf

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.browser.post(path, data={"csrf": self.csrf, **fields})

    def find(self, query: str) -> str | None:
        """Whose page opens; None where none does by itself."""
        answer = self.post("/find", query=query)
        assert answer.status_code in (200, 303), answer.text
        return httpx.URL(answer.headers["location"]).params["user"] if answer.status_code == 303 else None

    def act(self, action: str, user: str, **fields: str) -> str:
        """The code of what came of it; of what is refused the status and the page's text."""
        answer = self.post(f"/act/{action}", user=user, **fields)
        if answer.status_code == 303:
            return httpx.URL(answer.headers["location"]).params["done"]
        return f"{answer.status_code} {answer.text}"


@dataclass
class ServedDesk:
    """A desk behind a proxy."""

    url: str

    def client(self, email: str | None, secret: str | None = SECRET, **more: str) -> httpx.Client:
        told = {"x-forwarded-email": email, "x-desk-proxy-secret": secret}
        headers = {"origin": self.url, **{name: value for name, value in told.items() if value is not None}, **more}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    @contextlib.contextmanager
    def as_(self, email: str) -> Iterator[At]:
        with self.client(email) as browser:
            yield At(browser)


@contextlib.contextmanager
def served_desk(target: Target | Desk, **settings: Any) -> Iterator[ServedDesk]:
    """The desk of this system, or with these answers; in force until the block ends."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    given = {"DESK_URL": url, "DESK_AUTH": "proxy", "DESK_PROXY_SECRET": SECRET, **PEOPLE, **settings}
    read = load(DeskSettings, given)
    desk = Support(target, two_people=read.desk_two_people) if isinstance(target, Target) else target
    with serving(build(read, desk), port, Connections(200)):
        yield ServedDesk(url)
