"""Make ``types.json`` from the unpacked npm package ``stripe``: ``npm pack stripe@VERSION``, unpack, then
``python -m tests.support.stripe_types.extract PATH/TO/package``. A version of the same API version as the sandbox's must be
taken; the file says which it is. Neither node nor a compiler is needed.

References to objects that the sandbox never shows are kept as ids only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.stripe_types.declarations import SHARED, Alias, Interface, Parser, Scope

TYPES_FILE = Path(__file__).with_name("types.json")
# file (without its ending) → the object types that the sandbox shows
SHOWN = {
    "Accounts": ("Account",),
    "Balance": ("Balance",),
    "BalanceTransactions": ("BalanceTransaction",),
    "BillingPortal/Configurations": ("Configuration",),
    "BillingPortal/Sessions": ("Session",),
    "Charges": ("Charge",),
    "Checkout/Sessions": ("Session",),
    "Coupons": ("Coupon", "DeletedCoupon"),
    "Customers": ("Customer", "DeletedCustomer"),
    "Discounts": ("Discount",),
    "Disputes": ("Dispute",),
    "InvoiceLineItems": ("InvoiceLineItem",),
    "InvoicePayments": ("InvoicePayment",),
    "Invoices": ("Invoice",),
    "LineItems": ("LineItem",),
    "PaymentIntents": ("PaymentIntent",),
    "PaymentLinks": ("PaymentLink",),
    "PaymentMethods": ("PaymentMethod",),
    "Prices": ("Price",),
    "Products": ("Product",),
    "PromotionCodes": ("PromotionCode",),
    "Radar/EarlyFraudWarnings": ("EarlyFraudWarning",),
    "Refunds": ("Refund",),
    "WebhookEndpoints": ("WebhookEndpoint", "DeletedWebhookEndpoint"),
}
EVENTS = "Events"
OPAQUE = ("void", "undefined", "object", "Date", "Record", "Buffer")  # of the language, not of the API


class Extraction:
    """Follows references from the shown objects, and keeps what it meets."""

    def __init__(self, package: Path) -> None:
        self.resources = (package / "esm" / "resources").resolve()
        self.files: dict[Path, Scope] = {}
        self.kept: dict[str, Any] = {}
        self.shown = {(self.resources / f"{file}.d.ts", name) for file, names in SHOWN.items() for name in names}

    def file(self, path: Path) -> Scope:
        if path not in self.files:
            self.files[path] = Parser(path).file()
            self.files[path].imported[""] = (path, "")
        return self.files[path]

    def find(self, scope: Scope, name: str) -> tuple[Path, str, Any]:
        """The declaration that a name means in a scope: file, full name, declaration."""
        looked: Scope | None = scope
        first, *rest = name.split(".")
        while looked is not None:
            found = looked.declared.get(first) if not rest else looked.declared.get(f"{first}.")
            inner: Any = found
            for place, part in enumerate(rest):
                inner = inner and inner.declared.get(part if place == len(rest) - 1 else f"{part}.")
            if inner is not None:
                return self.path_of(looked), looked.name + name, inner
            if first in looked.imported:
                path, original = looked.imported[first]
                # An index file gathers a namespace: what is asked for is one of the names that it imports.
                names = rest if path.name == "index.d.ts" else [original, *rest]
                return self.find(self.file(path), ".".join(names))
            looked = looked.outer
        raise KeyError(name)

    def path_of(self, scope: Scope) -> Path:
        while scope.outer is not None:
            scope = scope.outer
        return scope.imported[""][0]

    def converted(self, kind: Any, scope: Scope) -> Any:
        """A parsed type with its names looked up; None for one that is left out."""
        if isinstance(kind, str):
            return kind
        (form, value), *_ = kind.items()
        if form == "enum":
            return kind
        if form in {"list", "map", "page", "partial"}:
            inner = self.converted(value, scope)
            return {form: "any" if inner is None else inner}
        if form == "inline":
            return {"inline": self.members(value, scope)}
        if form == "any":
            return union([self.converted(member, scope) for member in value])
        return self.named(value, scope)

    def named(self, name: str, scope: Scope) -> Any:
        if name in SHARED and SHARED[name] is not None:
            return SHARED[name]
        if name == "OtherString":
            return None
        if name in OPAQUE:
            return "any"
        path, full, found = self.find(scope, name)
        if isinstance(found, Alias):
            return self.converted(found.target, found.scope)
        if not path.is_relative_to(self.resources) and path.name != "shared.d.ts":
            return "any"
        is_object = "object" in found.members and "id" in found.members
        if is_object and (path, full) not in self.shown:
            return None
        return {"ref": self.keep(path, full, found)}

    def keep(self, path: Path, full: str, found: Interface) -> str:
        relative = path.relative_to(self.resources) if path.is_relative_to(self.resources) else Path(path.name)
        key = f"{str(relative).removesuffix('.d.ts')}:{full}"
        if key not in self.kept:
            self.kept[key] = {}
            members = {}
            for base in found.bases:
                _, _, above = self.find(found.scope, base["name"])
                members.update(self.members(above.members, above.scope))
            self.kept[key] = {**members, **self.members(found.members, found.scope)}
        return key

    def members(self, members: dict[str, tuple[bool, Any]], scope: Scope) -> dict[str, Any]:
        """``name`` or ``name?`` → type."""
        result = {}
        for name, (optional, kind) in members.items():
            inner = self.converted(kind, scope)
            result[name + ("?" if optional else "")] = "any" if inner is None else inner
        return result

    def run(self) -> dict[str, Any]:
        objects = {}
        for path, name in sorted(self.shown):
            _, full, found = self.find(self.file(path), name)
            objects.setdefault(self.object_name(found), []).append(self.keep(path, full, found))
        return {"objects": objects, "events": self.events(), "types": dict(sorted(self.kept.items()))}

    def object_name(self, found: Interface) -> str:
        return str(found.members["object"][1]["enum"][0])

    def events(self) -> dict[str, str]:
        """Event type → the type of its object, for the objects that the sandbox shows."""
        scope = self.file(self.resources / f"{EVENTS}.d.ts")
        events = {}
        for found in list(scope.declared.values()):
            kind = found.members.get("type") if isinstance(found, Interface) else None
            if kind is None or not isinstance(kind[1], dict) or "enum" not in kind[1]:
                continue
            _, _, data = self.find(found.scope, found.members["data"][1]["name"])
            target = self.converted(data.members["object"][1], data.scope)
            if isinstance(target, dict) and "ref" in target:
                events[kind[1]["enum"][0]] = target["ref"]
        base = scope.declared["EventBase"]
        self.keep(self.resources / f"{EVENTS}.d.ts", "EventBase", base)
        return events


def union(members: list[Any]) -> Any:
    """Enums put together, double members and left-out ones dropped."""
    flat: list[Any] = []
    for member in members:
        flat += member["any"] if isinstance(member, dict) and "any" in member else [] if member is None else [member]
    values = [value for member in flat if isinstance(member, dict) and "enum" in member for value in member["enum"]]
    rest = []
    for member in flat:
        if not (isinstance(member, dict) and "enum" in member) and member not in rest:
            rest.append(member)
    merged = ([{"enum": values}] if values else []) + rest
    return (merged[0] if len(merged) == 1 else {"any": merged}) if merged else None


def main(package: Path) -> None:
    """Write the file."""
    version = (package / "esm" / "apiVersion.d.ts").read_text(encoding="utf-8").split('"')[1]
    manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    types = {"package": f"stripe@{manifest['version']}", "api_version": version, **Extraction(package).run()}
    TYPES_FILE.write_text(json.dumps(types, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
