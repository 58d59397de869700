"""The SDK's HTTP client with a span for each request, the SDK's own repetitions among them.

A span has the method, the path with ``{id}`` in place of ids, and the status. Neither query, body nor headers are in
it, and no trace context goes to Stripe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from atlas_kit.tracing.work import calling, got

_WORD = re.compile(r"v1|(?!price_|prod_)[a-z]+(_[a-z]+)*")
"""A part of a path that names a kind of object or an action; whatever else there is stands for an id. Ids of prices and
products are chosen by people, and may look like words."""


class TracedHttp(stripe.AIOHTTPClient):
    """See the module."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        with calling(method.upper(), url, template=path_template(url)) as span:
            answer = await super().request_async(method, url, headers, post_data)
            got(span, answer[1])
            return answer


def path_template(url: str) -> str:
    """The path with ``{id}`` in place of ids: ``/v1/checkout/sessions/{id}``."""
    return "/".join(part if not part or _WORD.fullmatch(part) else "{id}" for part in urlsplit(url).path.split("/"))
