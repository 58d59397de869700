"""Plumbing of a process: settings, logs, metrics, background tasks, what follows a request."""
