"""What comes in: the public API, the pages, live updates."""
