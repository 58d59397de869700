"""Each image holds what it runs and nothing else, by its COPY lines and the imports of what they copy."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.stack import WORKSPACE

# Image: the package it starts.
IMAGES = {
    "services/account-gateway/Dockerfile": "account_gateway",
    "services/checkout/Dockerfile": "checkout",
    "services/entitlements/Dockerfile": "entitlements",
    "services/webhook-ingest/Dockerfile": "webhook_ingest",
    "deploy/operator/Dockerfile": "atlas_operator",
    "deploy/sandbox/Dockerfile": "stripe_sandbox",
}
OTHERS = {"deploy/haproxy/Dockerfile"}
"""Somebody else's program with our configuration, built from a folder of its own."""
OURS = {path.name: path for path in WORKSPACE.glob("s*/*/src/*") if (path / "__init__.py").exists()}
every_image = pytest.mark.parametrize("image", IMAGES)


def copied(image: str) -> list[str]:
    """What goes into the image, as its COPY lines name it."""
    lines = re.findall(r"^COPY (.*)$", (WORKSPACE / image).read_text(), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def packages(image: str) -> set[str]:
    return {name for name, path in OURS.items() if str(path.parent.relative_to(WORKSPACE)) in copied(image)}


def file_of(module: str) -> Path | None:
    """The file of a module of ours; None for somebody else's, and for a name inside a module."""
    top, *rest = module.split(".")
    if top not in OURS:
        return None
    path = OURS[top].joinpath(*rest)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()), None)


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` may mean the module a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def reached(package: str) -> tuple[set[str], set[str]]:
    """The packages of ours that a program can come to import, and the top names of everybody else's."""
    waiting = set(OURS[package].rglob("*.py"))
    seen: set[Path] = set()
    others: set[str] = set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for module in imports(file):
            if module.partition(".")[0] not in OURS:
                others.add(module.partition(".")[0])
            elif (found := file_of(module)) is not None and found not in seen:
                waiting.add(found)
    return {name for name, path in OURS.items() if any(file.is_relative_to(path) for file in seen)}, others


def locked(image: str) -> set[str]:
    """The distributions that the image installs."""
    locks = [WORKSPACE / source for source in copied(image) if source.endswith(".lock")]
    return {plain(name) for lock in locks for name in re.findall(r"^([A-Za-z0-9._-]+)", lock.read_text(), re.MULTILINE)}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dockerfile_is_looked_at() -> None:
    assert {str(path.relative_to(WORKSPACE)) for path in WORKSPACE.glob("[sd]*/*/Dockerfile")} == {*IMAGES, *OTHERS}


@every_image
def test_an_image_holds_the_packages_that_it_can_import_and_no_other(image: str) -> None:
    ours, _ = reached(IMAGES[image])
    assert packages(image) == ours


@every_image
def test_an_image_installs_what_it_imports(image: str) -> None:
    _, others = reached(IMAGES[image])
    providers = packages_distributions()
    needed = {name: {plain(each) for each in providers.get(name, [name])} for name in others - sys.stdlib_module_names}
    assert {name for name, any_of in needed.items() if not any_of & locked(image)} == set()


@every_image
def test_the_build_context_holds_what_an_image_copies(image: str) -> None:
    allowed = {line[1:] for line in (WORKSPACE / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied(image)) <= allowed
    assert all((WORKSPACE / source).exists() for source in copied(image))


@pytest.mark.parametrize("image", sorted({*IMAGES, *OTHERS}))
def test_a_program_in_an_image_has_a_user_without_rights(image: str) -> None:
    [user] = re.findall(r"^USER (.*)$", (WORKSPACE / image).read_text(), re.MULTILINE)
    assert re.fullmatch(r"(100\d\d):\1", user)


def test_nothing_is_in_the_build_context_that_no_image_copies() -> None:
    allowed = {line[1:] for line in (WORKSPACE / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == {source for image in IMAGES for source in copied(image)}
