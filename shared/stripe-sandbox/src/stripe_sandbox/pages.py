"""What all pages of the sandbox share: templates, security headers, amounts and dates as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent
SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "inr": "₹"}
# Currencies whose amounts Stripe counts in whole units
ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)

# Control, zero-width and bidirectional characters, but for the joiner within emoji. static/parts.js has the same.
UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200b\\u200c\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")


def money(amount: int | None, currency: str | None) -> str:
    """Minor units as people write them: ``$49.00``, ``CHF 49.00``, ``¥490``."""
    code = (currency or "usd").lower()
    if code == "jpy":
        return f"¥{amount or 0:,}"
    value = f"{amount or 0:,}" if code in ZERO_DECIMAL else f"{(amount or 0) / 100:,.2f}"
    return f"{SYMBOLS[code]}{value}" if code in SYMBOLS else f"{code.upper()} {value}"


def day(seconds: int) -> str:
    """``23 November 2026`` (UTC)."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(), auto_reload=False, finalize=shown
    )
    environment.filters.update(money=money, day=day)
    return environment


def shown(value: Any) -> Any:
    r"""What a template prints, with control and bidirectional characters as ``\u202e``: a name can't change what stands
    beside it. ``|e`` prints a value as it is, for what a form sends back.
    """
    return UNSEEN.sub(escaped, value) if isinstance(value, str) and not isinstance(value, Markup) else value


def escaped(match: re.Match[str]) -> str:
    r"""``\u202e`` for the character."""
    return f"\\u{ord(match[0]):04x}"


TEMPLATES = _environment()
STATIC = StaticFiles(directory=HERE / "static")


def origin_of(url: str | None) -> str:
    """Scheme, host and port of a URL; empty for none."""
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else ""


def page(template: str, status: int = 200, leads_to: tuple[str | None, ...] = (), **context: Any) -> HTMLResponse:
    """A page with a strict content security policy. ``leads_to``: URLs to which its forms may redirect."""
    targets = " ".join(sorted({"'self'", *(origin_of(url) for url in leads_to if origin_of(url))}))
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(TEMPLATES.get_template(template).render(**context), status, headers)


def message_page(title: str, text: str, status: int = 200, link: tuple[str, str] | None = None) -> HTMLResponse:
    """A page that says one thing; ``link``: its label and URL."""
    return page("message.html", status, title=title, text=text, link=link)
