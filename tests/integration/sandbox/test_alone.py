"""The sandbox is a program of its own: its folder is all of the project that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from support.stack import WORKSPACE

from .conftest import KEY, PRICE, eventually, free_port

FOLDER = WORKSPACE / "shared" / "stripe-sandbox" / "src"
LEAVES_OUT = """
import sys
class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0].startswith('atlas_') or name.partition('.')[0] in {'checkout', 'webhook_ingest', 'entitlements', 'account_gateway', 'stripe'}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nobody())
"""


def healthz(port: int) -> dict[str, str] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return dict(json.load(answer))
    except OSError:
        return None


def test_it_starts_with_nothing_of_ours_and_without_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEAVES_OUT)
    port = free_port()
    settings = {"SANDBOX_SECRET_KEY": KEY, "SANDBOX_PRICE_ID": PRICE, "PYTHONPATH": f"{tmp_path}:{FOLDER}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", "--port", str(port)],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert eventually(lambda: process.poll() is not None or healthz(port)) == {"status": "ok"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/prices/{PRICE}", headers={"authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["id"] == PRICE
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=10)
    assert "Traceback" not in said
