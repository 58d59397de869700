"""The house: the same rooms in every service, modules and functions that fit a screen, a map whose places exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stack import WORKSPACE

FOUR_ROOMS = {"entrypoints", "use_cases", "domain", "adapters"}
SERVICES = {
    "checkout": FOUR_ROOMS | {"migrations"},
    "entitlements": FOUR_ROOMS | {"migrations"},
    "webhook-ingest": FOUR_ROOMS,
    # It decides nothing: no use cases and no domain of its own, but the session that says who is calling.
    "account-gateway": {"entrypoints", "session", "adapters"},
}
SHARED = {
    "contracts": set(), "stripe": set(), "kit": {"http", "messaging", "storage", "process", "tracing"}, "stripe-sandbox": {"resources", "static", "templates"},
    "operator": {"commands", "desk", "doctor", "predecessor", "stripe_setup", "terminal"}, "localstack": {"cli", "servers", "stack"},
}  # fmt: skip
CLIENTS = {"python", "typescript"}
BESIDE_THE_ROOMS = {"__init__.py", "__main__.py", "app.py", "settings.py", "ports.py", "py.typed"}
MODULE_LINES, FUNCTION_LINES = 300, 40
AN_OBJECT_OF_STRIPES = "one of Stripe's objects, a field a line"
LONGER_FUNCTIONS = {
    "stripe_sandbox/resources/invoices.py new_invoice": AN_OBJECT_OF_STRIPES,
    "stripe_sandbox/resources/links.py create": AN_OBJECT_OF_STRIPES,
    "stripe_sandbox/resources/payments.py new_charge": AN_OBJECT_OF_STRIPES,
    "stripe_sandbox/resources/payments.py new_payment_intent": AN_OBJECT_OF_STRIPES,
    "stripe_sandbox/resources/refunds.py new_refund": AN_OBJECT_OF_STRIPES,
    "stripe_sandbox/resources/session_shape.py new_session": AN_OBJECT_OF_STRIPES,
    "checkout/migrations/versions/20261123_0001_checkout.py upgrade": "a migration that has run is never touched again",
}
OF_EACH_SERVICE = "each service's own of its kind"
WIRE_AND_DOMAIN = "the same thing on the wire and in the pure domain, which knows no pydantic"
SHARED_NAMES = {
    "Parts": OF_EACH_SERVICE, "Publisher": OF_EACH_SERVICE, "OutboxRow": OF_EACH_SERVICE, "Table": OF_EACH_SERVICE,
    "Adjustment": WIRE_AND_DOMAIN, "RecordedSession": WIRE_AND_DOMAIN, "ImportedGrant": WIRE_AND_DOMAIN, "Entitlement": WIRE_AND_DOMAIN,
}  # fmt: skip
"""Public classes of one name. The sandbox isn't asked: it stands for another company's program. Nor is the client: other services use it, and its names are theirs."""
LONGER_MODULES = {"atlas_stripe/mapping.py": "one table, each of Stripe's events with what it means; read from top to bottom"}


def package(folder: str) -> Path:
    [found] = [path.parent for path in (WORKSPACE / folder / "src").glob("*/__init__.py")]
    return found


def inside(folder: Path) -> set[str]:
    """What lies in a folder. A folder in which only compiled modules are left, after it was renamed elsewhere, is none."""
    return {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def modules() -> Iterator[Path]:
    for room in ("services", "shared", "clients"):
        yield from sorted((WORKSPACE / room).glob("*/src/**/*.py"))


def modules_of_tests() -> Iterator[Path]:
    for room in ("tests", "e2e"):
        yield from sorted((WORKSPACE / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path).partition("/src/")[2]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_rooms_and_nothing_else_beside_how_it_is_put_together(service: str) -> None:
    found = inside(package(f"services/{service}"))
    assert SERVICES[service] <= found
    assert found - SERVICES[service] - BESIDE_THE_ROOMS == set()


@pytest.mark.parametrize("part", SHARED)
def test_a_shared_package_has_its_rooms(part: str) -> None:
    folders = {name for name in inside(package(f"shared/{part}")) if (package(f"shared/{part}") / name).is_dir()}
    assert folders == SHARED[part]


def test_services_and_shared_contain_only_the_known_packages() -> None:
    assert inside(WORKSPACE / "services") == set(SERVICES)
    assert inside(WORKSPACE / "shared") == set(SHARED)
    assert inside(WORKSPACE / "clients") == CLIENTS


def test_a_module_is_no_longer_than_three_screens_of_a_hundred_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in modules()}
    too_long = {name: lines for name, lines in lengths.items() if lines > MODULE_LINES}
    assert {name: lines for name, lines in too_long.items() if name not in LONGER_MODULES} == {}
    assert set(LONGER_MODULES) <= set(lengths), "an exception that names no module"


def test_a_module_of_tests_is_no_longer_either() -> None:
    lengths = {str(path.relative_to(WORKSPACE)): len(path.read_text().splitlines()) for path in modules_of_tests()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_a_folder_of_compiled_modules_alone_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "renamed" / "inner" / "__pycache__").mkdir(parents=True)
    (tmp_path / "renamed" / "inner" / "__pycache__" / "gone.cpython-311.pyc").touch()
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "here.py").touch()
    assert inside(tmp_path) == {"house"}


def test_a_function_fits_a_screen() -> None:
    lengths = {
        f"{name_of(path)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES}
    assert {name: lines for name, lines in too_long.items() if name not in LONGER_FUNCTIONS} == {}
    assert {name.split()[0] for name in LONGER_FUNCTIONS} <= {name.split()[0] for name in lengths}, "an exception that names no module"


def test_a_name_means_one_thing() -> None:
    named: dict[str, list[str]] = {}
    for path in modules():
        if {"stripe_sandbox", "atlas_client"} & set(path.parts):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                named.setdefault(node.name, []).append(name_of(path))
    twice = {name: places for name, places in named.items() if len(places) > 1}
    assert {name: places for name, places in twice.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) <= set(twice), "an exception that isn't needed"


def test_the_glossary_has_one_line_for_a_word() -> None:
    section = (WORKSPACE / "docs" / "architecture.md").read_text().partition("## Glossary")[2].partition("\n## ")[0]
    words = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(words) > 10
    assert len(words) == len(set(words))


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_put_together_in_the_same_steps(service: str) -> None:
    tree = ast.parse((package(f"services/{service}") / "app.py").read_text())
    made = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    steps = ["Parts", "build", "_parts", "_lifespan", "_checks", "_routers"]
    assert [name for name in made if name in steps] == steps


def test_each_of_a_newcomers_questions_is_answered_by_a_path_that_exists() -> None:
    text = (WORKSPACE / "docs" / "architecture.md").read_text()
    section = text.partition("## A newcomer's questions")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) >= 12
    for row in rows:
        places = [place for place in re.findall(r"`([^`]+)`", row) if "/" in place]
        assert places, f"no place: {row}"
        for place in places:
            path, _, function = place.partition(" ")
            assert (WORKSPACE / path).exists(), f"{place} is gone: {row}"
            assert not function or f"def {function}(" in (WORKSPACE / path).read_text(), f"no {function} in {path}"


@pytest.mark.parametrize("page", [*sorted((WORKSPACE / "docs").rglob("*.md")), WORKSPACE / "README.md", WORKSPACE / "SECURITY.md"], ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:services|shared|tests|e2e|deploy|requirements|\.ci)/[\w./-]+)(?:::[\w:\[\]-]+)?`", page.read_text())
    assert [path for path in named if not (WORKSPACE / path).exists()] == []


def test_every_module_that_a_page_names_exists() -> None:
    """`checkout.use_cases.restore`, `atlas_kit.http.app.serve`: a module, or a name in it."""
    ours = {package(str(path.relative_to(WORKSPACE))).name: package(str(path.relative_to(WORKSPACE))) for path in (*(WORKSPACE / "services").iterdir(), *(WORKSPACE / "shared").iterdir())}
    gone = []
    for page in (*(WORKSPACE / "docs").rglob("*.md"), WORKSPACE / "README.md", WORKSPACE / "SECURITY.md"):
        for top, rest in re.findall(r"`(\w+)((?:\.\w+)+)`", page.read_text()):
            if top not in ours:
                continue
            path, *names = ours[top], *rest[1:].split(".")
            while names and (path / names[0]).is_dir():
                path /= names.pop(0)
            file = path / f"{names[0]}.py" if names and (path / f"{names[0]}.py").exists() else path / "__init__.py"
            left = names[1:] if file.name != "__init__.py" else names
            if left and left[0] not in file.read_text():
                gone.append(f"{page.name}: {top}{rest}")
    assert gone == []
