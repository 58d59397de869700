"""Amounts in a currency's minor unit, for people."""

from __future__ import annotations

import re

_SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}
CURRENCIES = frozenset(
    re.findall(
        r"\w+",
        "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd "
        "cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd "
        "hkd hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl "
        "mad mdl mga mkd mmk mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php "
        "pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sll sos srd std svc szl thb tjs tnd top "
        "try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw ",
    )
)
"""What Stripe takes as ``currency`` (docs.stripe.com/currencies)."""
# Stripe's currencies without a minor unit, and those with three digits after the point.
_WHOLE = frozenset(re.findall(r"\w+", "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"))
_THOUSANDTHS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))


def said(amount: int, currency: str) -> str:
    """4900 usd as ``$49.00``, 4900 chf as ``49.00 CHF``."""
    code = currency.lower()
    digits = 0 if code in _WHOLE else 3 if code in _THOUSANDTHS else 2
    text = f"{abs(amount) / 10**digits:,.{digits}f}"
    sign = "-" if amount < 0 else ""
    return f"{sign}{_SIGNS[code]}{text}" if code in _SIGNS else f"{sign}{text} {currency.upper()}"


def part(amount: int, of: int | None, currency: str) -> str:
    """``$10.00 of $49.00`` where the whole is known."""
    return said(amount, currency) + (f" of {said(of, currency)}" if of is not None else "")
