"""What a process that starts doesn't load, and that it goes on as any other."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

RUNTIME_LOCK = Path(__file__).resolve().parents[3] / "requirements" / "runtime.lock"


LOADED = """
import gc, json, sys, {service}.__main__
from atlas_kit.process.settings import TracingSettings
from atlas_kit.tracing.start import start_tracing
start_tracing(TracingSettings(), "x")()
print(json.dumps([gc.isenabled(), *sys.modules]))
"""


@pytest.fixture(scope="module", params=["webhook_ingest", "entitlements", "checkout", "account_gateway"])
def loaded(request: pytest.FixtureRequest) -> list[object]:
    """Whether garbage is collected once a service is loaded, and every module that it has then; tracing is off."""
    script = LOADED.format(service=request.param)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_off_the_sdk_is_not_imported(loaded: list[object]) -> None:
    """FastAPI imports OpenTelemetry's API; SDK, exporter and protobuf are what costs."""
    costly = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
    assert not [name for name in loaded[1:] if str(name).startswith(costly)]


def test_a_service_loads_nothing_that_its_image_lacks_and_goes_on_as_any_process(loaded: list[object]) -> None:
    assert "structlog" in loaded
    assert not set(ABSENT_IN_IMAGES).intersection(map(str, loaded[1:]))
    assert loaded[0] is True


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
