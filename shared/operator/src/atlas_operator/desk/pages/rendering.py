"""Templates, and what every page of the desk is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import NoMatchFound

from atlas_contracts.text import visible
from atlas_contracts.user_id import is_user_id
from atlas_operator import sentences
from atlas_operator.desk.pages.assets import StaticFiles
from atlas_operator.desk.person import Action, Visit
from atlas_operator.desk.ports import MESSAGES

TEMPLATES = Path(__file__).parent / "templates"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script or style, nothing from other origins, in nobody's frame."""
THEME_COOKIE = "atlas-theme"
"""The one of the product's pages: who chose a theme there sees it here, on the same host."""
THEMES = ("light", "dark")

STATIC = StaticFiles()


def buyer_url(user_id: object) -> str:
    """The page of one buyer."""
    return f"/buyer?{urlencode({'user': str(user_id)})}"


def _shown(value: Any) -> Any:
    """What a template prints, with control and bidirectional characters made visible. ``|e`` prints a value as it is,
    which is for what a form sends back.
    """
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    finalize=_shown,
)
_ENVIRONMENT.tests.update(user_id=is_user_id)
_ENVIRONMENT.filters.update(when=sentences.when, buyer_url=buyer_url)
_ENVIRONMENT.globals.update(asset=STATIC.url, Action=Action)


def render(
    request: Request, template: str, *, visit: Visit | None, status: int = 200, digest: str = "", **values: Any
) -> Response:
    """A page. The theme is the person's choice (a cookie, so that there is no flash), else the system's.

    ``digest`` stands for what the page is made of: the script asks with it whether there is something new.
    """
    chosen = request.cookies.get(THEME_COOKIE, "")
    page = _ENVIRONMENT.get_template(template).render(
        path=request.url.path,
        theme=chosen if chosen in THEMES else None,
        visit=visit,
        signs_out=_signs_out(request),
        digest=digest,
        done=MESSAGES.get(request.query_params.get("done", ""), ""),
        **({"query": ""} | values),
    )
    return HTMLResponse(page, status, {"content-security-policy": CSP, "vary": "cookie"})


def _signs_out(request: Request) -> bool:
    """Whether a session can be ended here; behind a proxy it is the proxy's."""
    try:
        request.app.url_path_for("sign_out")
    except NoMatchFound:
        return False
    return True
