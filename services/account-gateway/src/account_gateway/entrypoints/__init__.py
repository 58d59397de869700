"""Where requests come in: the public API, the pages, live updates."""
