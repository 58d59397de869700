"""The public API: parse, ask the services behind, answer in the envelope."""
