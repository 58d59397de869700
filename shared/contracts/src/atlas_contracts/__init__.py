"""What the Atlas billing services say to each other: events, streams, API models."""
