"""Styles, scripts and the font of the desk: read once at start, served under an address that names their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from atlas_kit.http.errors import NotFound

DIRECTORY = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOR_EVER = "private, max-age=31536000, immutable"


class StaticFiles:
    """All static files of the desk; they tell nothing about anybody, so these alone may be kept by a browser."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._files = {
            path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.suffix in MEDIA_TYPES
        }
        digest = hashlib.sha256()
        for name, body in self._files.items():
            digest.update(name.encode() + b"\0" + body)
        self.digest = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where a file is. Raises KeyError for an unknown one, so that a typo fails its first test."""
        _ = self._files[name]
        return f"/static/{self.digest}/{name}"

    def routes(self) -> APIRouter:
        """The route that serves them."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/static/{digest}/{name}", self._serve, methods=["GET"])
        return router

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            raise NotFound
        current = request.path_params["digest"] == self.digest
        headers = {"cache-control": FOR_EVER if current else "no-cache"}
        return Response(self._files[name], headers=headers, media_type=MEDIA_TYPES[Path(name).suffix])
