"""Calls to the services' `/operator` routes."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any

from atlas_contracts.issuers import OPERATOR
from atlas_kit.http.identity import TokenMint
from atlas_kit.process import context
from atlas_operator.errors import CallFailed
from atlas_operator.target import Target

# The longest wait for the next line: rebuild and pull write one more often than this.
TIMEOUT_SECONDS = 120.0


class Operator:
    """Calls the services of one target as the operator; ``seconds``: how long an answer may take to begin."""

    def __init__(self, target: Target, seconds: float = TIMEOUT_SECONDS) -> None:
        self._target, self._seconds = target, seconds
        self._mint = TokenMint(target.signing_key, OPERATOR)

    def get(self, service: str, path: str, **query: str) -> Any:
        """One JSON answer."""
        suffix = f"?{urllib.parse.urlencode(query)}" if query else ""
        with self._open(service, "GET", path + suffix, None) as answer:
            return _content(json.load(answer))

    def get_as(self, user: str, service: str, path: str) -> Any:
        """One JSON answer of a route under ``/internal``, which asks for the user that the token names."""
        with self._open(service, "GET", path, None, subject=user) as answer:
            return _content(json.load(answer))

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> Any:
        """One JSON answer to a command."""
        with self._open(service, "POST", path, body) as answer:
            return _content(json.load(answer))

    def lines(self, service: str, path: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Each line of an NDJSON answer as it comes. Raises CallFailed where the service ends with an error."""
        with self._open(service, "GET" if body is None else "POST", path, body) as answer:
            for line in answer:
                if not line.strip():
                    continue
                read = json.loads(line)
                if error := read.get("error"):
                    said = error.get("message", "failed") if isinstance(error, dict) else error
                    raise CallFailed(f"{service}: {said}")
                yield read

    @contextlib.contextmanager
    def _open(
        self, service: str, method: str, path: str, body: Mapping[str, Any] | None, *, subject: str = OPERATOR
    ) -> Iterator[IO[bytes]]:
        url = self._target.url(service) + path
        request = urllib.request.Request(  # noqa: S310 - the address comes from our own stack file or the operator
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self._mint.token(service, subject)}",
                "content-type": "application/json",
                "accept": "application/json, application/x-ndjson",
                "x-request-id": context.current_request_id(),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as answer:  # noqa: S310 - as above
                yield answer
        except urllib.error.HTTPError as error:
            said = _said(error)
            raise CallFailed(_explain(service, error.code, said), error.code, said) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CallFailed(f"{service} does not answer at {url.partition('?')[0]}: {reason}") from None


def _content(answer: Any) -> Any:
    # webhook-ingest answers in the public envelope everywhere; the other services answer without one.
    return answer["data"] if isinstance(answer, dict) and answer.get("ok") is True and "data" in answer else answer


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _explain(service: str, status: int, said: str) -> str:
    hints = {
        401: " (does this system trust the operator's INTERNAL_SIGNING_KEY, and are both clocks right?)",
        404: "",
    }
    return f"{service} answered {status}: {said}{hints.get(status, '')}"
