"""Stripe's search language, as far as equality, metadata and numbers are concerned.

In contrast to Stripe, a new object is found at once; the product must not rely on that.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.operation import Operation
from stripe_sandbox.store import Json

CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?(?P<field>[a-z_.]+)(?:\[\s*(?P<key>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\])?\s*"""
    r"""(?P<op>>=|<=|[:~<>])\s*(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+|null)\s*"""
)
JOIN = re.compile(r"\s*(AND|OR)\s+", re.IGNORECASE)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
FIELDS = frozenset(
    [
        "active",
        "amount",
        "created",
        "currency",
        "customer",
        "description",
        "email",
        "lookup_key",
        "metadata",
        "name",
        "number",
        "phone",
        "product",
        "status",
        "total",
        "type",
        "url",
    ]
)
Condition = Callable[[Json], bool]


def search(kind: str, url: str) -> Callable[[Operation, Json], Json]:
    """A handler for ``GET …/search``."""

    def handler(op: Operation, params: Json) -> Json:
        matches = parse(params["query"])
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise invalid("Invalid limit: must be between 1 and 100", "limit", "parameter_invalid_integer")
        page = params.get("page", "0")
        if not page.isdecimal():
            raise invalid("Invalid page: it comes from the previous answer's next_page", "page")
        start = int(page)
        found = [item for item in op.store.of(kind).newest_first() if not item.get("deleted") and matches(item)]
        has_more = len(found) > start + limit
        return {
            "object": "search_result",
            "url": url,
            "has_more": has_more,
            "next_page": str(start + limit) if has_more else None,
            "data": found[start : start + limit],
            "total_count": len(found),
        }

    return handler


def parse(query: str) -> Condition:
    """A condition from a query; AND and OR can't be mixed, as at Stripe."""
    conditions: list[Condition] = []
    joins: set[str] = set()
    place = 0
    while True:
        match = CLAUSE.match(query, place)
        if match is None or match["field"] not in FIELDS:
            raise broken(query)
        conditions.append(condition(match))
        place = match.end()
        if place >= len(query):
            break
        join = JOIN.match(query, place)
        if join is not None:
            joins.add(join[1].upper())
            place = join.end()
        else:
            joins.add("AND")
    if len(joins) > 1:
        raise StripeError("We could not parse your search query: you cannot combine AND and OR.", param="query")
    combine = any if joins == {"OR"} else all
    return lambda item: combine(clause(item) for clause in conditions)


def condition(match: re.Match[str]) -> Condition:
    """One clause."""
    wanted, key = unquote(match["value"]), match["key"] and unquote(match["key"])
    compare, negated = match["op"], bool(match["negated"])

    def fits(item: Json) -> bool:
        value = item.get(match["field"])
        if key is not None:
            value = (value or {}).get(key)
        return compared(value, compare, wanted) != negated

    return fits


def compared(value: Any, compare: str, wanted: str) -> bool:
    """Whether one value satisfies one clause."""
    if wanted == "null":
        return value is None
    if value is None:
        return False
    if compare in COMPARE:
        return isinstance(value, int) and wanted.lstrip("-").isdigit() and COMPARE[compare](value, int(wanted))
    text = str(value).lower()
    return wanted.lower() in text if compare == "~" else text == wanted.lower()


def unquote(text: str) -> str:
    """The text between quotes, escapes resolved."""
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "'\"" else text


def broken(query: str) -> StripeError:
    """A query that can't be understood."""
    return StripeError(f"We were unable to parse your search query: {query[:200]}", param="query")
