"""The check of the lock against known vulnerabilities, with an index of our own; and what pip says of a yanked version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"
FIXED = {"id": "PYSEC-1", "fixed_in": ["2.0"], "withdrawn": None}
UNFIXED = {"id": "PYSEC-2", "fixed_in": [], "withdrawn": None}
WITHDRAWN = {"id": "PYSEC-3", "fixed_in": ["2.0"], "withdrawn": "2026-01-01T00:00:00Z"}
LOCK = "aiohttp==1.0 \\\n    --hash=sha256:00\nuvicorn[standard]==1.5 ; sys_platform != 'win32' \\\n    --hash=sha256:00\n"


@contextmanager
def index(pages: dict[str, bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(200 if page is not None else 404)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def told(**found: list[dict]) -> dict[str, bytes]:
    versions = {"aiohttp": "1.0", "uvicorn": "1.5"}
    return {f"/pypi/{name}/{versions[name]}/json": json.dumps({"vulnerabilities": all_of}).encode() for name, all_of in found.items()}


def check(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    lock = folder / "runtime.lock"
    lock.write_text(LOCK)
    environment = {"PATH": os.environ["PATH"], "PIP_INDEX_URL": f"{url}/simple"}
    command = [sys.executable, str(CI / "advisories.py"), str(lock)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("pages", "code", "said"),
    [
        (told(aiohttp=[], uvicorn=[]), 0, "2 of 2 versions checked"),
        (told(aiohttp=[], uvicorn=[FIXED]), 1, "uvicorn 1.5: PYSEC-1; fixed in 2.0"),
        (told(aiohttp=[UNFIXED], uvicorn=[WITHDRAWN]), 0, "aiohttp 1.0: PYSEC-2; no fix yet"),
        (told(aiohttp=[]), 0, "1 of 2 versions checked uvicorn"),
        ({}, 0, "NOT CHECKED"),
        ({"/pypi/aiohttp/1.0/json": b"<html>"}, 0, "NOT CHECKED"),
        ({"/pypi/aiohttp/1.0/json": b"{}"}, 0, "NOT CHECKED"),
    ],
)
def test_what_has_a_fix_fails_and_what_is_not_known_is_said(pages: dict[str, bytes], code: int, said: str, tmp_path: Path) -> None:
    with index(pages) as url:
        done = check(url, tmp_path)
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout
    assert "http" not in done.stdout.replace("aiohttp", ""), "where the index is stays here"


def test_an_index_that_is_away_stops_nobody(tmp_path: Path) -> None:
    done = check("http://127.0.0.1:9", tmp_path)
    assert done.returncode == 0 and "NOT CHECKED" in done.stdout


def test_pip_says_of_a_yanked_version_what_ci_looks_for(tmp_path: Path) -> None:
    wheel = tmp_path / "taken_back-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("taken_back-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: taken-back\nVersion: 1.0\n")
        archive.writestr("taken_back-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("taken_back-1.0.dist-info/RECORD", "")
    page = f'<a href="/files/{wheel.name}" data-yanked="broken">{wheel.name}</a>'.encode()
    with index({"/simple/taken-back/": page, f"/files/{wheel.name}": wheel.read_bytes()}) as url:
        command = [sys.executable, "-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "-i", f"{url}/simple", "-d", str(tmp_path / "got"), "taken-back==1.0"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "is a yanked version" in done.stdout + done.stderr, done.stderr
    assert 'grep "is a yanked version"' in (CI / "run").read_text()
