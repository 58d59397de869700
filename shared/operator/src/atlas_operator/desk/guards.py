"""What stands before a route: somebody who is signed in, whose role suffices, and a form from a page of ours."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends
from starlette.requests import Request

from atlas_kit.process.settings import normal_origin
from atlas_operator.desk.errors import Malformed, NotAllowed
from atlas_operator.desk.person import Action, Visit
from atlas_operator.desk.sign_in import Entrance

MOST_FIELDS = 20
FORM = "application/x-www-form-urlencoded"
Form = Mapping[str, str]


def visit_of(request: Request) -> Visit:
    """Whoever makes this request. Raises NotSignedIn or NotAllowed."""
    entrance: Entrance = request.app.state.entrance
    return entrance.visit(request)


SignedIn = Annotated[Visit, Depends(visit_of)]
"""Type of a route's parameter that gets whoever is signed in, in any role."""


def allowed(action: Action) -> Callable[[Request], Visit]:
    """The dependency of an action's route: somebody whose role allows it. Raises NotSignedIn or NotAllowed."""

    def check(request: Request) -> Visit:
        visit = visit_of(request)
        if not visit.person.may(action):
            raise NotAllowed
        return visit

    return check


def form_for(admitted: Callable[[Request], Visit]) -> Callable[[Request], Awaitable[tuple[Visit, Form]]]:
    """The dependency that reads a form, after ``admitted`` has let its sender in: a stranger's body is not read.

    Raises NotAllowed for a form that is not from a page of ours, and Malformed for what is no form.
    """

    async def read(request: Request) -> tuple[Visit, Form]:
        visit = admitted(request)
        _own_page(request)
        form = _fields(request.headers.get("content-type", ""), await request.body())
        if not hmac.compare_digest(form.get("csrf", "").encode(), visit.csrf.encode()):
            raise NotAllowed("This form is out of date. Go back, load the page again and repeat what you did.")
        return visit, form

    return read


def _own_page(request: Request) -> None:
    """Refuse what a browser says to come from another site's page."""
    own: str = request.app.state.origin
    site = request.headers.get("sec-fetch-site", "same-origin").strip().lower()
    if site not in ("same-origin", "none") or any(_origin(sent) != own for sent in request.headers.getlist("origin")):
        raise NotAllowed(f"Open the desk at {own}; forms from elsewhere are refused.")


def _origin(sent: str) -> str | None:
    try:
        return normal_origin(sent)
    except ValueError:
        return None


def _fields(content_type: str, body: bytes) -> Form:
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise Malformed
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise Malformed from None
    return {name: value.replace("\r\n", "\n").strip() for name, value in pairs}
