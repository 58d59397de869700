"""Is an object what the classes of Stripe's official Python package say? A second opinion beside the npm types.

The package has no difference between null and absent: a member that isn't ``Optional`` must be there, and every
member that is there must be of its type.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import types
import typing
from typing import Any, Literal, Union

import stripe
from stripe._object_classes import OBJECT_CLASSES
from typing_extensions import get_type_hints

PRIMITIVES: dict[type, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,)}


@functools.cache
def class_of(name: str) -> type | None:
    """The SDK's class of objects that are called so."""
    found = OBJECT_CLASSES.get(name)
    if found is None:
        return None
    module, attribute = found if isinstance(found, tuple) else (found.__module__, found.__qualname__)
    return typing.cast("type", getattr(importlib.import_module(module), attribute))


@functools.cache
def _imports(module: str) -> dict[str, Any]:
    """What a module of the package imports, for type checkers alone as well."""
    loaded = importlib.import_module(module)
    names = dict(vars(loaded))
    for node in ast.walk(ast.parse(inspect.getsource(loaded))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stripe."):
            for name in node.names:
                names[name.asname or name.name] = getattr(importlib.import_module(str(node.module)), name.name)
    return names


@functools.cache
def members(cls: type) -> dict[str, Any]:
    """Each member with its type."""
    scope = {**_imports(cls.__module__), **vars(cls)}
    hints = get_type_hints(cls, globalns=scope, localns=scope)
    own = {name for base in cls.__mro__ if base.__module__.startswith("stripe.") and base not in _BASES for name in vars(base).get("__annotations__", {})}
    return {name: hint for name, hint in hints.items() if name in own and not name.startswith("_") and name != "OBJECT_NAME"}


_BASES = {stripe.StripeObject, stripe.APIResource, stripe.ListObject, stripe.SearchResultObject}


def sdk_problems(item: Any, path: str = "") -> list[str]:
    """What is wrong with an object, and with all objects in it."""
    name = item.get("object", "?")
    if name in {"list", "search_result"}:
        return [each for place, child in enumerate(item["data"]) for each in sdk_problems(child, f"{path or name}[{place}]")]
    cls = class_of(name)
    if cls is None:
        return [f"{path}: the SDK has no class for {name}"]
    return _of_class(item, cls, path or name)


def _of_class(item: dict[str, Any], cls: type, path: str) -> list[str]:
    found = []
    for name, hint in members(cls).items():
        value = item.get("from" if name == "from_" else name)
        if value is None:
            if not _optional(hint) and not (item.get("deleted") and name != "deleted"):
                found.append(f"{path}.{name}: missing or null")
        else:
            found += differences(value, hint, f"{path}.{name}")
    return found


def differences(value: Any, hint: Any, path: str) -> list[str]:
    """Where a value isn't of an annotation's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return []
    if origin in {Union, types.UnionType} or getattr(origin, "__name__", "") == "ExpandableField":
        options = [differences(value, each, path) for each in arguments if each is not type(None)]
        if origin not in {Union, types.UnionType} and isinstance(value, str):
            return []
        return min(options, key=len)
    if origin is Literal:
        return [] if value in arguments else [f"{path}: {value!r} is none of {arguments[:8]}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: a list expected, not {value!r}"]
        return [each for place, child in enumerate(value) for each in differences(child, arguments[0], f"{path}[{place}]")]
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{path}: a map expected, not {value!r}"]
    if hint in PRIMITIVES:
        fits = isinstance(value, PRIMITIVES[hint]) and (hint is bool or not isinstance(value, bool))
        return [] if fits else [f"{path}: {hint.__name__} expected, not {value!r}"]
    cls = origin or hint
    if not isinstance(cls, type) or not issubclass(cls, stripe.StripeObject):
        return [] if not isinstance(value, dict) or cls is dict else [f"{path}: {hint} expected"]
    if not isinstance(value, dict):
        return [f"{path}: {cls.__name__} expected, not {value!r}"]
    if cls in {stripe.ListObject, stripe.SearchResultObject}:
        found = [f"{path}.{name}: missing" for name in ("object", "data", "has_more", "url") if name not in value]
        return found + [each for child in value["data"] for each in sdk_problems(child, path)]
    return _of_class(value, cls, path)


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint) or hint is Any
