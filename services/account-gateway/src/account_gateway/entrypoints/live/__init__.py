"""Live updates: streams to browsers, and the hints from the broker that wake them."""
