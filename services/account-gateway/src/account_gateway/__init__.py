"""The public service: pages and API for browsers and the web client."""
