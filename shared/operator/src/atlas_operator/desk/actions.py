"""The routes that take forms: ``POST /find``, and ``POST /act/<action>`` for each Action.

Fields of a form, by name: ``csrf`` always; ``query`` for /find; for actions ``user``, and as far as the action needs
them ``reason``, ``ticket``, ``payment`` (pi_… or cs_…), ``parked``, ``waiting`` (ids), and ``key`` (random, made with
the form: the same form sent twice does it once). Reading payments and redriving ask for reason and ticket as ``why``
and ``case``, and demand neither. The answer to an action is 303 to ``/buyer?user=…&done=<code>`` (to
``/today?done=<code>`` where the event is nobody's); a refused one shows the buyer's page again, with status 400.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from atlas_operator.desk.guards import Form, allowed, form_for, visit_of
from atlas_operator.desk.person import Action, Visit
from atlas_operator.desk.ports import ActionForm, ActionRefused, Desk, Pages

Sent = tuple[Visit, Form]


def action_routes(desk: Desk, pages: Pages) -> APIRouter:
    """Every route that takes a form."""
    router = APIRouter()

    @router.post("/find")
    def find(request: Request, sent: Annotated[Sent, Depends(form_for(visit_of))]) -> Response:
        visit, form = sent
        query = form.get("query", "")
        found = desk.find(query)
        if len(found.users) == 1 and not found.said:
            return _to_buyer(found.users[0])
        return pages.found(request, visit, "" if "@" in query else query, found)

    for action in Action:
        router.add_api_route(f"/act/{action.value}", _act(action, desk, pages), methods=["POST"], name=action.value)
    return router


def _act(action: Action, desk: Desk, pages: Pages) -> Callable[..., Response]:
    admitted: Any = Depends(form_for(allowed(action)))  # not an annotation: those see no variables of a function

    def act(request: Request, sent: Sent = admitted) -> Response:
        visit, form = sent
        asked = _asked(action, form)
        try:
            outcome = desk.act(visit.person, asked)
        except ActionRefused as refused:
            if not asked.user_id:
                return pages.problem(request, 400, str(refused))
            told = desk.buyer(asked.user_id)
            return pages.buyer(request, visit, told, asked=asked, refused=refused, status=400)
        return _to_buyer(asked.user_id, outcome.code)

    return act


def _asked(action: Action, form: Form) -> ActionForm:
    return ActionForm(
        action,
        form.get("user", ""),
        reason=form.get("reason") or form.get("why", ""),
        ticket=form.get("ticket") or form.get("case", ""),
        payment_id=form.get("payment") or None,
        parked_id=form.get("parked") or None,
        waiting_id=form.get("waiting") or None,
        key=form.get("key", ""),
    )


def _to_buyer(user_id: str, done: str = "") -> Response:
    said = {"done": done} if done else {}
    there = f"/buyer?{urlencode({'user': user_id, **said})}" if user_id else f"/today?{urlencode(said)}"
    return RedirectResponse(there, 303)
