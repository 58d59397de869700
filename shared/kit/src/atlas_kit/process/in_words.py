"""What is wrong with a setting, in words: pydantic's messages are for whoever wrote the model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

NUMBERS = ("int_", "float_", "greater_than", "less_than", "finite_number")


def explained(settings: type[BaseModel], error: ValidationError) -> list[str]:
    """One line per wrong variable: ``PORT: must be a whole number from 0 to 65535``. Values are not shown."""
    lines = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        said = _said(settings, name, item)
        lines.append(f"{name.upper()}: {said}" if name else said)
    return lines


def bounds(settings: type[BaseModel], name: str) -> tuple[Any, Any]:
    """The least and the greatest value of a numeric setting; None where there is no bound."""
    field = settings.model_fields.get(name)
    found = {kind: getattr(each, kind, None) for each in (field.metadata if field else ()) for kind in ("ge", "le")
             if getattr(each, kind, None) is not None}  # fmt: skip
    return found.get("ge"), found.get("le")


def _said(settings: type[BaseModel], name: str, item: ErrorDetails) -> str:
    kind = item["type"]
    if kind == "missing":
        return "is required"
    if kind.startswith("bool_"):
        return "must be true or false"
    if kind.startswith(NUMBERS):
        field = settings.model_fields.get(name)
        number = "a number" if field and "float" in str(field.annotation) else "a whole number"
        least, most = bounds(settings, name)
        return f"must be {number}" + (f" from {least} to {most}" if least is not None and most is not None else "")
    if kind == "literal_error":
        return item["msg"].replace("Input should be", "must be").replace("'", "")
    return item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
