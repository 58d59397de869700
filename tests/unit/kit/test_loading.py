"""What a process that starts doesn't load, and that it goes on as any other."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

RUNTIME_LOCK = Path(__file__).resolve().parents[3] / "requirements" / "runtime.lock"


@pytest.mark.parametrize("service", ["webhook_ingest", "entitlements", "checkout", "account_gateway"])
def test_a_service_loads_nothing_that_its_image_lacks(service: str) -> None:
    script = f"import gc, sys, {service}.__main__\nprint(gc.isenabled(), [name for name in {ABSENT_IN_IMAGES} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("True []", 0), done.stderr


def test_what_is_left_out_is_in_no_image() -> None:
    locked = {line.partition("==")[0] for line in RUNTIME_LOCK.read_text().splitlines() if "==" in line[:60]}
    assert "structlog" in locked
    assert not locked.intersection(ABSENT_IN_IMAGES)


def test_what_is_left_out_can_be_imported_afterwards_and_what_was_there_stays() -> None:
    try:
        with loading(without=("antigravity", "json")):
            assert not gc.isenabled()
            assert importlib.import_module("json").loads("1") == 1
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module("antigravity")
            raise LookupError
    except LookupError:
        pass
    finally:
        gc.unfreeze()
    assert gc.isenabled()
    assert importlib.util.find_spec("antigravity")
