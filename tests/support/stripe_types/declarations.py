"""Read the declarations (``.d.ts``) of Stripe's npm package: interfaces, namespaces and type aliases, as plain data.

A type is one of ``"string" | "number" | "boolean" | "null" | "any"``, or an object with exactly one key: ``{"enum": [...]}``,
``{"list": T}``, ``{"map": T}``, ``{"page": T}`` (a list object), ``{"ref": NAME}``, ``{"partial": T}`` or ``{"any": [T, ...]}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[A-Za-z_$][\w$]*|-?\d+(?:\.\d+)?|=>|\.\.\.|[^\s\w]")
COMMENT = re.compile(r"/\*.*?\*/|(?<![:'\"])//[^\n]*", re.DOTALL)
WORDS = {"string": "string", "number": "number", "boolean": "boolean", "null": "null", "any": "any", "unknown": "any"}
# Shared aliases of the package that carry no structure of their own.
SHARED: dict[str, Any] = {
    "OtherString": None,
    "Metadata": {"map": "string"},
    "Decimal": "string",
    "Address": None,
}


@dataclass(slots=True)
class Scope:
    """One file or namespace: what it declares, and where to look further."""

    name: str
    outer: Scope | None
    declared: dict[str, Any] = field(default_factory=dict)
    imported: dict[str, tuple[Path, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Interface:
    """Members: name → (optional, type). ``bases`` are inherited from."""

    scope: Scope
    members: dict[str, tuple[bool, Any]]
    bases: list[Any]


@dataclass(slots=True)
class Alias:
    """Another name for a type."""

    scope: Scope
    target: Any


class Parser:
    """One declaration file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens = TOKEN.findall(COMMENT.sub(" ", path.read_text(encoding="utf-8")))
        self.place = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.place + ahead] if self.place + ahead < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if expected is not None and token != expected:
            context = " ".join(self.tokens[self.place - 8 : self.place + 8])
            raise SyntaxError(f"{self.path}: {expected} expected, not {token}: {context}")
        self.place += 1
        return token

    def file(self) -> Scope:
        """The whole file."""
        scope = Scope("", None)
        while self.peek():
            self.declaration(scope)
        return scope

    def declaration(self, scope: Scope) -> None:
        """One statement; what is neither interface, namespace, type nor import is passed over."""
        while self.peek() in {"export", "declare"}:
            self.take()
        word = self.peek()
        if word == "import":
            self.imports(scope)
        elif word == "interface":
            self.interface(scope)
        elif word == "namespace":
            self.namespace(scope)
        elif word == "type" and self.peek(1) not in {"=", "{", "("}:
            self.take()
            name = self.take()
            if self.peek() == "<":
                self.skip_balanced("<", ">")
            self.take("=")
            scope.declared[name] = Alias(scope, self.type())
            self.maybe(";")
        else:
            self.skip_statement()

    def imports(self, scope: Scope) -> None:
        self.take("import")
        names: list[tuple[str, str]] = []
        self.maybe("type")
        if self.peek() == "*":
            _, _, alias, _, source = (self.take() for _ in range(5))
            scope.imported[alias] = ((self.path.parent / source[1:-1]).resolve().with_suffix(".d.ts"), "*")
            self.maybe(";")
        elif self.peek() == "{":
            self.take()
            while self.peek() != "}":
                name = alias = self.take()
                if self.peek() == "as":
                    self.take()
                    alias = self.take()
                names.append((name, alias))
                self.maybe(",")
            self.take("}")
            self.take("from")
            source = self.take()[1:-1]
            target = (self.path.parent / source).resolve().with_suffix(".d.ts")
            scope.imported.update({alias: (target, name) for name, alias in names})
            self.maybe(";")
        else:
            self.skip_statement()

    def interface(self, scope: Scope) -> None:
        self.take("interface")
        name = self.take()
        if self.peek() == "<":
            self.skip_balanced("<", ">")
        bases = []
        if self.peek() == "extends":
            self.take()
            bases.append(self.single())
            while self.peek() == ",":
                self.take()
                bases.append(self.single())
        found = Interface(scope, self.members(), bases)
        known = scope.declared.get(name)
        if isinstance(known, Interface):
            known.members.update(found.members)
        else:
            scope.declared[name] = found

    def members(self) -> dict[str, tuple[bool, Any]]:
        """What stands between the braces; methods are passed over."""
        members: dict[str, tuple[bool, Any]] = {}
        self.take("{")
        while self.peek() != "}":
            self.maybe("readonly")
            name = self.take()
            if name == "[":
                while self.take() != "]":
                    pass
                self.take(":")
                members["*"] = (True, self.type())
            elif self.peek() in {"(", "<"}:
                while self.peek() != ";":
                    self.take()
            else:
                optional = self.maybe("?")
                self.take(":")
                members[name.strip("'\"")] = (optional, self.type())
            self.maybe(";")
        self.take("}")
        return members

    def namespace(self, scope: Scope) -> None:
        self.take("namespace")
        name = self.take()
        inner = scope.declared.setdefault(f"{name}.", Scope(f"{scope.name}{name}.", scope))
        self.take("{")
        while self.peek() != "}":
            self.declaration(inner)
        self.take("}")

    def type(self) -> Any:
        """A union."""
        self.maybe("|")
        members = [self.intersection()]
        while self.maybe("|"):
            members.append(self.intersection())
        return members[0] if len(members) == 1 else {"any": members}

    def intersection(self) -> Any:
        first = self.array()
        while self.maybe("&"):
            self.array()
        return first

    def array(self) -> Any:
        kind = self.single()
        while self.peek() == "[" and self.peek(1) == "]":
            self.place += 2
            kind = {"list": kind}
        return kind

    def single(self) -> Any:
        token = self.take()
        if token[0] in "'\"":
            return {"enum": [token[1:-1]]}
        if token in {"true", "false"}:
            return {"enum": [token == "true"]}
        if re.fullmatch(r"-?\d+", token):
            return {"enum": [int(token)]}
        if token == "(":
            return self.parenthesis()
        if token == "{":
            self.place -= 1
            members = self.members()
            return {"map": members["*"][1]} if set(members) == {"*"} else {"inline": members}
        if token in WORDS and self.peek() != ".":
            return WORDS[token]
        return self.reference(token)

    def parenthesis(self) -> Any:
        """A type in parentheses (a function's type counts as ``any``)."""
        kind = self.type()
        self.take(")")
        return kind

    def reference(self, name: str) -> Any:
        while self.peek() == ".":
            self.take()
            name += "." + self.take()
        arguments = []
        if self.peek() == "<":
            self.take()
            arguments.append(self.type())
            while self.maybe(","):
                arguments.append(self.type())
            self.take(">")
        if name == "Array":
            return {"list": arguments[0]}
        if name == "ApiList":
            return {"page": arguments[0]}
        if name == "Partial":
            return {"partial": arguments[0]}
        return {"name": name}

    def maybe(self, token: str) -> bool:
        if self.peek() == token:
            self.place += 1
            return True
        return False

    def skip_balanced(self, opening: str, closing: str) -> None:
        depth = 0
        while True:
            token = self.take()
            depth += (token == opening) - (token == closing)
            if depth == 0:
                return

    def skip_statement(self) -> None:
        """To the next semicolon, or over the braces."""
        while self.peek() and self.peek() not in {";", "{"}:
            self.take()
        if self.peek() == "{":
            self.skip_balanced("{", "}")
        self.maybe(";")
