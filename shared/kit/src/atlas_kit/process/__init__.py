"""The process: settings, logs, metrics, background tasks, and the ids of the current request."""
