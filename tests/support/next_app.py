"""The example app of clients/typescript/examples/nextjs: copied away, installed, built, and run in front of a stack."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from atlas_localstack.servers.ports import LOOPBACK, NEVER_EPHEMERAL, is_free
from support import node
from support.buyer import Buyer
from support.shopper import Shopper
from support.stack import WORKSPACE, eventually

EXAMPLE = WORKSPACE / "clients" / "typescript" / "examples" / "nextjs"
NOT_COPIED = shutil.ignore_patterns("node_modules", ".next", "next-env.d.ts", ".env*")
NEXT = "node_modules/next/dist/bin/next"
BUILD_SECONDS, START_SECONDS = 400, 60
ZONE = "America/New_York"
"""Not the zone of any table: what is stored without a zone has to come out as UTC all the same."""


@dataclass
class NextApp:
    """The app, built; it runs between `start` and `stop`."""

    folder: Path
    origin: str
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def build(self) -> None:
        """`npm run build`. Fails with what it said."""
        node.node(NEXT, "build", cwd=self.folder, more=self.environment(), seconds=BUILD_SECONDS)

    def node(self, script: str, **environ: str) -> str:
        """Run a module in the app's folder; gives what it printed."""
        more = {**self.environment(), **environ}
        return node.node("--input-type=module", "--eval", script, cwd=self.folder, more=more).strip()

    def environment(self) -> dict[str, str]:
        """What the app is told, beside what the machine is."""
        return {"NEXT_TELEMETRY_DISABLED": "1", "TZ": ZONE, **self.environ}

    def start(self, mode: str = "start") -> None:
        """Run it: what was built, or `dev`."""
        port = self.origin.rpartition(":")[2]
        command = [str(node.wheel() / "bin" / "node"), NEXT, mode, "--hostname", LOOPBACK, "--port", port]
        with (self.folder / "next.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=node.environment(self.environment()), stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, START_SECONDS, "the app answers")

    def stop(self) -> None:
        """At once: Next would wait for streams that are open, and has nothing to lose."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    @contextlib.contextmanager
    def running(self, mode: str = "start") -> Iterator[None]:
        try:
            self.start(mode)
            yield
        finally:
            self.stop()

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "next.log").read_text()

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, f"the app stopped:\n{self.log}"
        with contextlib.suppress(httpx.HTTPError):
            # Its middleware's answer: in development mode no page has to be compiled for that.
            return httpx.get(f"{self.origin}/api/account", timeout=20).status_code == 401
        return False

    def twin(self, folder: Path, **environ: str) -> NextApp:
        """The same build for another process, at an address of its own. What is installed and built is shared with this one."""

        def copy(here: str, there: str) -> None:
            made = {"node_modules", ".next"} & set(Path(here).relative_to(self.folder).parts)
            (os.link if made else shutil.copy2)(here, there)

        shutil.copytree(self.folder, folder, copy_function=copy, symlinks=True, ignore=shutil.ignore_patterns("next.log"))
        return NextApp(folder, free_origin(), {**self.environ, **environ})


def free_origin() -> str:
    """An address where nothing listens, for an app that starts later."""
    return next(f"http://{LOOPBACK}:{port}" for port in sorted(NEVER_EPHEMERAL, key=lambda _: os.urandom(2)) if is_free(port))


def installed_app(folder: Path, origin: str, environ: Mapping[str, str]) -> NextApp:
    """A copy of the example in `folder`, with the kit where the repository has it, and its locked dependencies."""
    kit, packed = node.typescript_kit(), folder / "typescript"
    shutil.copytree(kit / "dist", packed / "dist")
    shutil.copy(kit / "package.json", packed)
    app = NextApp(packed / "examples" / "nextjs", origin, dict(environ))
    shutil.copytree(EXAMPLE, app.folder, ignore=NOT_COPIED)
    node.install(app.folder)
    return app


@dataclass
class WebShopper(Shopper):
    """A person at the example app: the same clicks as at the gateway's own pages, at another address."""

    app: NextApp = field(kw_only=True)
    database: str = field(kw_only=True)

    @property
    def origin(self) -> str:
        return self.app.origin

    @property
    def email(self) -> str:
        return f"{self.user}@example.com"

    def sign_in(self) -> WebShopper:
        """As the app's form does, without looking at it."""
        answer = self.context.request.post(
            f"{self.origin}/api/sign-in",
            form={"email": self.email, "callbackUrl": "/account"},
            headers={"origin": self.origin},
            max_redirects=0,
        )
        assert answer.status == 303, answer.text()
        return self

    def another_tab(self, path: str) -> WebShopper:
        tab = WebShopper(self.stack, self.context, self.context.new_page(), self.user, app=self.app, database=self.database)
        tab.open(path)
        return tab

    @property
    def user_id(self) -> str:
        """The user's id, which the app chose."""
        return str(self.rows('SELECT id FROM "User" WHERE email = %s', self.email)[0][0])

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Asks the app's database."""
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]  # psycopg wants literal SQL; each is in a test

    @property
    def session_cookie(self) -> str:
        """What the cookie of the session holds."""
        return next(cookie["value"] for cookie in self.context.cookies() if "session-token" in cookie["name"])

    @property
    def buyer(self) -> Buyer:
        """The same user at the sandbox: what a test does behind the page's back."""
        return Buyer(self.stack, self.user_id)

    def buy(self) -> str:
        """A purchase by clicks; the checkout session's id."""
        session = self.go_to_checkout()
        self.pay()
        self.sees_badge("Pro active")
        return session

    def server_sees_pro(self) -> bool:
        """What the server drew, before any script ran."""
        answer = self.context.request.get(f"{self.origin}/account")
        assert answer.status == 200
        return "Pro active" in answer.text()


@dataclass
class Listener:
    """Somebody who follows the event stream through Next, and does nothing else, while the other tests run."""

    url: str
    cookie: str
    began: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[float, bytes]] = field(default_factory=list)
    failed: Exception | None = None
    enough: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        headers = {"cookie": self.cookie, "accept-encoding": "gzip, deflate, br"}
        try:
            with httpx.stream("GET", self.url, headers=headers, timeout=60) as answer:
                self.headers = dict(answer.headers)
                for chunk in answer.iter_raw():
                    self.heard.append((time.monotonic() - self.began, chunk))
                    if self.enough.is_set():
                        return
        except Exception as error:
            self.failed = error


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that is there and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
