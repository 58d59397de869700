"""The public edge for the web client."""
