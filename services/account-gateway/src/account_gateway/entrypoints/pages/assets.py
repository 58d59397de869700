"""Styles, scripts and the font: read once at start, served from memory, under an address that names their content.

``/static/<digest>/<name>``: scripts import each other by relative name and stay within one digest, so that a browser
never mixes two releases, and may keep every file for ever.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
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
COMPRESSED = frozenset({".css", ".js", ".svg"})
FOR_EVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    zipped: bytes | None
    media_type: str


class Assets:
    """All static files of the pages."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self.files = {path.name: _read(path) for path in sorted(directory.iterdir()) if path.suffix in MEDIA_TYPES}
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(name.encode() + b"\0" + asset.body)
        self.digest = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where a file is. Raises KeyError for an unknown one, so that a typo fails its first test."""
        _ = self.files[name]
        return f"/static/{self.digest}/{name}"

    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/static/{digest}/{name}", self._serve, methods=["GET"])
        return router

    async def _serve(self, request: Request) -> Response:
        """A page of an older release still asks by its own digest: it gets the present file and may not keep it."""
        asset = self.files.get(request.path_params["name"])
        if asset is None:
            raise NotFound
        current = request.path_params["digest"] == self.digest
        headers = {"cache-control": FOR_EVER if current else REVALIDATE, "vary": "accept-encoding"}
        if asset.zipped and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(asset.zipped, headers=headers, media_type=asset.media_type)
        return Response(asset.body, headers=headers, media_type=asset.media_type)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    zipped = gzip.compress(body, mtime=0) if path.suffix in COMPRESSED else None
    return Asset(body, zipped, MEDIA_TYPES[path.suffix])
