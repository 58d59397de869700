"""Derive ``schema.json`` (what each API call accepts) from the official SDK's typed parameters.

Run ``python -m stripe_sandbox.schema_from_sdk`` after an SDK upgrade; a test fails while the
committed file and the locked SDK disagree. The SDK is read as source text, so nothing of it is
imported, and the sandbox itself runs without it.

A type is one of ``"string" | "integer" | "boolean" | "number"``, or an object with exactly one key:
``{"enum": [...]}``, ``{"list": T}``, ``{"map": T}``, ``{"object": {"required": [...], "fields": {...}}}``
or ``{"any": [T, ...]}``; the enum ``[""]`` inside ``any`` marks a value that may be unset.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from stripe_sandbox.routes import ROUTES

SCHEMA_FILE = Path(__file__).with_name("schema.json")
SCALARS = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "Decimal": "number"}


def sdk_directory() -> Path:
    """The folder of the installed SDK's source."""
    spec = importlib.util.find_spec("stripe")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("stripe")
    return Path(spec.origin).parent


def module_of(params_class: str) -> Path:
    """``checkout.SessionCreateParams`` → ``params/checkout/_session_create_params.py``."""
    *packages, name = params_class.split(".")
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return Path("params", *packages, f"_{snake}.py")


class ParamsModule:
    """The TypedDict classes of one SDK parameter module, as JSON types."""

    def __init__(self, source: str) -> None:
        self.classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}

    def object_type(self, name: str) -> dict[str, Any]:
        """The fields of one TypedDict and the names of those that are required."""
        required: list[str] = []
        fields: dict[str, Any] = {}
        for node in self.classes[name].body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            annotation, optional = unwrap_not_required(node.annotation)
            fields[node.target.id] = self.type_of(annotation)
            if not optional:
                required.append(node.target.id)
        return {"required": required, "fields": fields}

    def type_of(self, node: ast.expr) -> Any:
        """One annotation as a JSON type."""
        members = [self.single(member) for member in flatten_union(node)]
        known = [member for member in members if member is not None]
        # An enum next to a plain string only means that later versions may add values; the sandbox has one version.
        if any(enum_values(member) for member in known):
            known = [member for member in known if member != "string"]
        merged = merge_enums(known)
        return merged[0] if len(merged) == 1 else {"any": merged}

    def single(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return SCALARS.get(node.id) or {"object": self.object_type(node.id)}
        if not isinstance(node, ast.Subscript):
            raise TypeError(ast.unparse(node))
        outer = ast.unparse(node.value)
        if outer == "Literal":
            elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return {"enum": [ast.literal_eval(element) for element in elements]}
        if outer == "List":
            return {"list": self.type_of(node.slice)}
        if outer == "Dict" and isinstance(node.slice, ast.Tuple):
            return {"map": self.type_of(node.slice.elts[1])}
        return None  # UntypedStripeObject: the SDK's own class for the same map


def enum_values(member: Any) -> list[str]:
    """The values of an enum other than the empty string that unsets."""
    return [value for value in member["enum"] if value] if isinstance(member, dict) and "enum" in member else []


def merge_enums(members: list[Any]) -> list[Any]:
    """Put the values of several enums into one."""
    values = [value for member in members if isinstance(member, dict) and "enum" in member for value in member["enum"]]
    rest = [member for member in members if not (isinstance(member, dict) and "enum" in member)]
    return ([{"enum": values}] if values else []) + rest


def unwrap_not_required(node: ast.expr) -> tuple[ast.expr, bool]:
    """Strip ``NotRequired[…]``; the flag says whether it was there."""
    parsed = parse_if_quoted(node)
    if isinstance(parsed, ast.Subscript) and ast.unparse(parsed.value) == "NotRequired":
        return parse_if_quoted(parsed.slice), True
    return parsed, False


def parse_if_quoted(node: ast.expr) -> ast.expr:
    """A forward reference's text, parsed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ast.parse(node.value, mode="eval").body
    return node


def flatten_union(node: ast.expr) -> list[ast.expr]:
    """The members of ``A|B`` or ``Union[A, B]``."""
    node = parse_if_quoted(node)
    if isinstance(node, ast.BinOp):
        return flatten_union(node.left) + flatten_union(node.right)
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in {"Union", "Optional"}:
        elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [member for element in elements for member in flatten_union(element)]
    return [node]


def build_schema() -> dict[str, Any]:
    """The schema of every parameter class that the route table names."""
    root = sdk_directory()
    schema: dict[str, Any] = {}
    for params_class in sorted({route.params for route in ROUTES}):
        module = ParamsModule((root / module_of(params_class)).read_text(encoding="utf-8"))
        schema[params_class] = module.object_type(params_class.rpartition(".")[2])
    return schema


def main() -> None:
    """Write the schema file."""
    SCHEMA_FILE.write_text(json.dumps(build_schema(), indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
