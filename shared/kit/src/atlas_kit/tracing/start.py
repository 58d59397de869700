"""Turns tracing on for a process, where it is configured."""

from __future__ import annotations

from collections.abc import Callable

from atlas_kit.process.settings import TracingSettings
from atlas_kit.tracing import spans


def start_tracing(settings: TracingSettings, service: str) -> Callable[[], None]:
    """Record spans from now on if an endpoint is configured. Returns what sends the last ones, in bounded time.

    The import is here, so that a process that records nothing doesn't spend time and memory on the SDK.
    """
    if not settings.tracing:
        return lambda: None
    from atlas_kit.tracing.recorder import Recording  # noqa: PLC0415 - see above

    recording = Recording(settings, service)
    spans.install(recording.recorder)

    def stop() -> None:
        spans.install(None)
        recording.stop()

    return stop
