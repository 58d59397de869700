"""Templates, and what every page is given."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from account_gateway.entrypoints.pages import copy
from account_gateway.entrypoints.pages.assets import Assets

TEMPLATES = Path(__file__).parent / "templates"
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script or style, nothing from other origins. Links to hosted pages are navigations, which are allowed."""
SIGN_IN_CSP = PAGE_CSP.replace("form-action 'self'", "form-action 'self' http: https:")
"""Browsers apply form-action to each redirect after a form, and the sign-in may lead on to the hosted Checkout."""
THEME_COOKIE = "atlas-theme"
THEMES = ("light", "dark")
SCRIPTS = ("theme.js", "toasts.js", "links.js", "api.js", "live.js", "parts.js", "account.js", "restore.js")
"""What main.js imports, named so that the browser fetches all of it at once."""


def day(moment: datetime) -> str:
    """``23 November 2026`` (UTC)."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"


def minute(moment: datetime) -> str:
    """``23 November 2026, 17:05 UTC``."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


ASSETS = Assets()
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.filters.update(day=day, minute=minute)
_ENVIRONMENT.globals.update(
    asset=ASSETS.url,
    scripts=SCRIPTS,
    needs_review=copy.NEEDS_REVIEW,
    bank_days=copy.BANK_DAYS,
    script_copy=json.dumps(copy.FOR_SCRIPT, separators=(",", ":")),
)


def render(request: Request, template: str, *, status: int = 200, csp: str = PAGE_CSP, **values: Any) -> Response:
    """A page. The theme is the visitor's choice (a cookie, so that there is no flash), else the system's."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    page = _ENVIRONMENT.get_template(template).render(
        path=request.url.path, theme=chosen if chosen in THEMES else None, **({"toasts": []} | values)
    )
    # Vary: a page depends on its visitor's cookies, the price on their languages. The edge adds no-store, so that
    # nothing on the way keeps a page.
    return HTMLResponse(page, status, {"content-security-policy": csp, "vary": "cookie, accept-language"})
