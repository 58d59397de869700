"""The server under test."""

from support.http_server import served  # noqa: F401 - a fixture of all tests here
