"""Spans by OpenTelemetry, off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set (docs/observability.md, decision 0019).

Everything here may be called whether tracing is on or off. Off, a call costs one look at a variable, and the SDK isn't
imported: only :mod:`atlas_kit.tracing.recorder` imports it, and only :mod:`atlas_kit.tracing.start` imports that.
"""
