"""Who may cause an effect."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from account_gateway.guards import refuse_prefetch_and_cross_site, require_same_origin
from atlas_kit.errors import Forbidden
from atlas_kit.settings import normal_origin

ORIGIN = "https://atlas.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"Sec-Purpose": "Prefetch"},
        {"purpose": "prefetch"},
        {"x-moz": "prefetch"},
        {"next-router-prefetch": "1"},
        {"Next-Router-Segment-Prefetch": "/_tree"},
        {"RSC": "1"},
        {"Next-Router-State-Tree": "%5B%22%22%5D"},
        {"Next-Url": "/account"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "Cross-Site"},
    ],
    ids=str,
)
def test_a_prefetch_or_cross_site_navigation_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        refuse_prefetch_and_cross_site(Headers(headers))


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "same-site"}], ids=str
)
def test_a_navigation_of_ones_own_is_let_through(headers: dict[str, str]) -> None:
    refuse_prefetch_and_cross_site(Headers(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://atlas.example"},
        {"origin": "https://atlas.example:8443"},
        {"origin": "https://atlas.example.evil.example"},
        {"origin": "https://atlas.example/"},
        {"origin": "https://atlas.example?"},
        {"origin": "https://evil.example@atlas.example"},
        {"origin": "https://atlas.example:x"},
        {"origin": "//atlas.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_a_post_from_another_origin_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        require_same_origin(Headers(headers), ORIGIN)


def test_two_origins_are_refused_even_if_one_is_right() -> None:
    raw = [(b"origin", ORIGIN.encode()), (b"origin", b"https://evil.example")]
    with pytest.raises(Forbidden):
        require_same_origin(Headers(raw=raw), ORIGIN)


@pytest.mark.parametrize("headers", [{}, {"origin": ORIGIN}, {"origin": ORIGIN, "sec-fetch-site": "same-origin"}], ids=str)
def test_a_post_of_the_same_origin_is_let_through(headers: dict[str, str]) -> None:
    require_same_origin(Headers(headers), ORIGIN)


@pytest.mark.parametrize("written", ["https://Atlas.Example", "HTTPS://atlas.example", "https://atlas.example:443", "https://ATLAS.example:443/"])
@pytest.mark.parametrize("sent", [ORIGIN, "https://atlas.example:443", "https://ATLAS.example"])
def test_origins_are_compared_however_they_are_written(written: str, sent: str) -> None:
    require_same_origin(Headers({"origin": sent}), normal_origin(written))
