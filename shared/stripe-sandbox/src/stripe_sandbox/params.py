"""Form-encoded nested parameters, as the SDK sends them: ``a[b][0][c]=x``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import StripeError

MAX_BODY_BYTES = 1_000_000
MAX_PARAMS = 2_000
MAX_DEPTH = 12
KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(encoded: str) -> dict[str, Any]:
    """Nested dictionaries from a query string or a form body.

    Lists stay dictionaries of their indexes, because only the schema knows a list (``line_items[0]``)
    from a map with numeric keys (``metadata[0]``). Raises StripeError for a key that can't be read.
    """
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_PARAMS, errors="strict")
    except ValueError:
        raise StripeError("The request body could not be parsed as form-encoded parameters.") from None
    result: dict[str, Any] = {}
    for key, value in pairs:
        put(result, path_of(key), value)
    return result


def path_of(key: str) -> list[str]:
    """``a[b][0]`` → ``["a", "b", "0"]``."""
    match = KEY.match(key)
    parts = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else []
    if not parts or len(parts) > MAX_DEPTH:
        raise StripeError(f"Invalid parameter name: {key[:100]}", code="parameter_unknown", param=key[:100])
    return parts


def put(target: dict[str, Any], path: list[str], value: str) -> None:
    """Store one value under its path; ``[]`` takes the next index."""
    for name in path[:-1]:
        child = target.setdefault(name or str(len(target)), {})
        if not isinstance(child, dict):
            raise StripeError(f"Invalid hash: parameter {name} is both a value and a hash", param=name)
        target = child
    name = path[-1] or str(len(target))
    if isinstance(target.get(name), dict):
        raise StripeError(f"Invalid string: parameter {name} is both a value and a hash", param=name)
    target[name] = value


def as_json(value: Any, *, is_map: bool = False) -> Any:
    """The parameters for people and for the request log: dictionaries of indexes become lists."""
    if not isinstance(value, dict):
        return value
    if value and not is_map and all(key.isdigit() for key in value):
        return [as_json(value[key]) for key in sorted(value, key=int)]
    return {key: as_json(child, is_map=key == "metadata") for key, child in value.items()}
