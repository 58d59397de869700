"""The price as the page shows it: which currency for which visitor, and how an amount is written. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_contracts.billing import Offer

MAX_HEADER, MAX_LANGUAGES = 1_000, 20


def _words(text: str) -> list[str]:
    return text.split()


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (pair.partition(":") for pair in text.split())}


CURRENCIES = dict.fromkeys(
    _words("at be bg cy de ee es fi fr gr hr ie it lt lu lv mt nl pt si sk ad mc sm va me xk"), "eur"
) | _pairs(
    "us:usd pr:usd ec:usd sv:usd gb:gbp gg:gbp je:gbp im:gbp ch:chf li:chf jp:jpy ca:cad au:aud nz:nzd se:sek no:nok "
    "dk:dkk gl:dkk fo:dkk is:isk pl:pln cz:czk hu:huf ro:ron rs:rsd ua:uah tr:try il:ils ae:aed sa:sar qa:qar kw:kwd "
    "bh:bhd in:inr pk:pkr lk:lkr bd:bdt cn:cny hk:hkd tw:twd kr:krw sg:sgd my:myr th:thb id:idr ph:php vn:vnd br:brl "
    "mx:mxn ar:ars cl:clp co:cop pe:pen uy:uyu za:zar ng:ngn ke:kes gh:ghs eg:egp ma:mad"
)
"""Currency by region (ISO 4217, ISO 3166)."""
HOMES = _pairs(
    "de:de fr:fr it:it es:es nl:nl pt:br el:gr fi:fi et:ee lv:lv lt:lt sk:sk sl:si hr:hr bg:bg mt:mt ga:ie ja:jp sv:se "
    "nb:no nn:no no:no da:dk is:is pl:pl cs:cz hu:hu ro:ro sr:rs uk:ua tr:tr he:il hi:in ko:kr th:th id:id vi:vn ms:my "
    "zh:cn"
)
"""The region that is most likely meant by a language without one (CLDR's likely subtags).

English is left out, because browsers send it from everywhere.
"""
SYMBOLS = _pairs("usd:$ eur:€ gbp:£ jpy:¥ inr:₹ krw:₩ cad:CA$ aud:A$ nzd:NZ$ hkd:HK$ mxn:MX$ brl:R$")
WHOLE = frozenset(_words("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"))
"""Currencies without a smaller unit at Stripe."""
THOUSANDTHS = frozenset(_words("bhd jod kwd omr tnd"))
"""Currencies whose smaller unit is a thousandth."""
REGION_LETTERS = 2


def price_for(accept_language: str, offers: Sequence[Offer]) -> str | None:
    """What Pro costs, as this visitor reads it: in the currency of the first of their languages that the price has,
    else in the price's own. None without an offer.
    """
    if not offers:
        return None
    amounts = {offer.currency.lower(): offer.amount for offer in offers}
    own = offers[0].currency.lower()
    wanted = (currency_of(language) for language in languages(accept_language))
    currency = next((each for each in wanted if each in amounts), own)
    return money(amounts[currency], currency)


def languages(accept_language: str) -> list[str]:
    """The languages of an Accept-Language header, the most wanted first; whatever is unreadable is left out."""
    ranked = []
    for entry in accept_language[:MAX_HEADER].lower().split(",")[:MAX_LANGUAGES]:
        tag, _, parameters = entry.partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if tag.strip() and weight > 0:
            ranked.append((weight, tag.strip()))
    return [tag for _, tag in sorted(ranked, key=lambda entry: -entry[0])]


def currency_of(language: str) -> str | None:
    """``de-AT`` → ``eur``; None where the region is unknown."""
    first, *rest = language.replace("_", "-").split("-")
    region = next((part for part in rest if len(part) == REGION_LETTERS), HOMES.get(first, ""))
    return CURRENCIES.get(region)


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: ``$49.00``, ``¥4,900``, ``CHF 49.00``."""
    digits = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    value = f"{amount / 10**digits:,.{digits}f}"
    return f"{SYMBOLS[currency]}{value}" if currency in SYMBOLS else f"{currency.upper()}\N{NO-BREAK SPACE}{value}"
