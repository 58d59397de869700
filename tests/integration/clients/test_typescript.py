"""The TypeScript kit by itself: its lock, what it builds, packs and shakes off, and whom it compiles for."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from account_gateway.entrypoints.pages import copy
from support import node
from support.stack import WORKSPACE

OPENAPI = WORKSPACE / "tests" / "contract" / "account_gateway" / "openapi.json"
MOST_BYTES = 5_000
STRICT = {
    "target": "ES2022", "lib": ["ES2022", "DOM", "DOM.Iterable"], "jsx": "react-jsx", "types": ["node"], "strict": True, "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True, "skipLibCheck": False, "noEmit": True, "verbatimModuleSyntax": True, "isolatedModules": True,
}  # fmt: skip
# What an example app has beside the kit; the real Next.js is in the example's own test.
SURROUNDINGS = """
declare module "next/headers" {
  export function cookies(): Promise<{ getAll(): { name: string; value: string }[]; get(name: string): { name: string; value: string } | undefined }>;
}
"""
USES = """
import { createAtlasBilling, AtlasBillingError, type AtlasBilling, type CheckoutSource, type ConfirmResult } from "@atlas/billing";
import { useCheckoutReturn, useEntitlement } from "@atlas/billing/react";
import { entitlementFromCookies, type KnownEntitlement } from "@atlas/billing/next";
import { readEntitlement } from "@atlas/billing/server";

const billing: AtlasBilling = createAtlasBilling({ baseUrl: "https://app.example", fetch: globalThis.fetch });
export const stop: () => void = billing.watchEntitlement((entitlement) => { const pro: boolean = entitlement.isPro; void pro; });
export const url: string = billing.checkoutUrl("faq" satisfies CheckoutSource);
export const words = (error: AtlasBillingError): [string, string, string, string, number | null] => [error.code, error.message, error.recovery, error.hint, error.retryAfter];
export const outcome: Promise<ConfirmResult["outcome"]> = billing.confirm("cs_1").then((result) => result.outcome);
export const known: Promise<KnownEntitlement> = entitlementFromCookies("a=b", { baseUrl: "http://127.0.0.1:8000", timeoutMs: 100 });
export const read = readEntitlement(undefined, { baseUrl: "http://127.0.0.1:8000" });
export const hooks = [useEntitlement, useCheckoutReturn];
// @ts-expect-error nothing else is a source
billing.checkoutUrl("footer");
// @ts-expect-error an id is needed
billing.confirm();
// @ts-expect-error the gateway's address is needed
entitlementFromCookies("a=b", { timeoutMs: 100 });
// @ts-expect-error with exactOptionalPropertyTypes, what isn't known is left out
createAtlasBilling({ baseUrl: undefined });
// @ts-expect-error entitlements are read only in what they can be
export const status: "paid" = (await billing.entitlement()).status;
"""


@pytest.fixture(scope="module")
def kit() -> Path:
    return node.typescript_kit()


@pytest.fixture(scope="module")
def consumer(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that has installed what `npm pack` makes, and TypeScript's types of react and node."""
    folder = tmp_path_factory.mktemp("consumer")
    [packed] = json.loads(node.npm("pack", "--json", "--pack-destination", str(folder), cwd=kit))
    modules = folder / "node_modules"
    with tarfile.open(folder / packed["filename"]) as archive:
        archive.extractall(modules / "@atlas", filter="data")
    (modules / "@atlas" / "package").rename(modules / "@atlas" / "billing")
    (modules / "@types").mkdir()
    for name in ("@types/react", "@types/node", "react"):
        (modules / name).symlink_to(kit / "node_modules" / name)
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    (folder / "surroundings.d.ts").write_text(SURROUNDINGS)
    (folder / "uses.ts").write_text(USES)
    for number, (language, snippet) in enumerate(snippets(), 1):
        (folder / f"readme-{number}.{language}").write_text(snippet)
    return folder


def snippets() -> list[tuple[str, str]]:
    """The examples of the README, by language."""
    return re.findall(r"^```(tsx?)\n(.*?)^```", (node.KIT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def packed_files(kit: Path) -> set[str]:
    [packed] = json.loads(node.npm("pack", "--dry-run", "--json", cwd=kit))
    return {file["path"] for file in packed["files"]}


def test_its_own_tests_hold(kit: Path) -> None:
    said = node.npm("test", cwd=kit)
    assert re.search(r"# fail 0|ℹ fail 0", said)
    assert int(re.findall(r"(?:#|ℹ) pass (\d+)", said)[0]) >= 90


def test_the_committed_types_are_those_of_the_gateways_description(kit: Path, tmp_path: Path) -> None:
    generated = tmp_path / "openapi.ts"
    node.node(str(kit / "node_modules/openapi-typescript/bin/cli.js"), str(OPENAPI), "--output", str(generated), cwd=kit)
    assert generated.read_text() == (node.KIT / "src" / "openapi.ts").read_text(), "in clients/typescript: npm run generate"


def test_it_says_what_the_pages_say(kit: Path) -> None:
    script = 'import("@atlas/billing").then((kit) => console.log(JSON.stringify([kit.CHECKOUT_COPY, kit.RESTORE_COPY])))'
    checkout, restore = json.loads(node.node("-e", script, cwd=kit))
    assert restore == copy.FOR_SCRIPT["restore"]
    theirs = {
        **copy.FOR_SCRIPT["checkout"], "canceled": copy.CHECKOUT_CANCELED, "processing": copy.PAYMENT_PROCESSING,
        "already_active": copy.PRO_ALREADY_ACTIVE, "signed_out": copy.CHECKOUT_SIGNED_OUT,
    }  # fmt: skip
    assert checkout == theirs


def test_of_a_failed_link_it_says_what_the_pages_say(kit: Path) -> None:
    codes = json.dumps([str(code) for code in copy.BILLING_ERRORS])
    script = f'import("@atlas/billing").then((kit) => console.log(JSON.stringify({codes}.map((code) => kit.billingErrorToast(code)))))'
    said = [(toast["text"], toast["hint"], toast["role"]) for toast in json.loads(node.node("-e", script, cwd=kit))]
    assert said == [(text, copy.HINTS[recovery], "alert") for text, recovery in copy.BILLING_ERRORS.values()]


def test_a_package_holds_what_was_built_and_nothing_else(kit: Path) -> None:
    sources = {path.stem for path in (node.KIT / "src").iterdir()}
    built = {f"dist/{name}.{kind}" for name in sources for kind in ("js", "d.ts")}
    assert packed_files(kit) == built | {"package.json", "README.md", "LICENSE"}


def test_it_needs_nothing_at_run_time_and_every_entry_is_there(kit: Path) -> None:
    manifest = json.loads((node.KIT / "package.json").read_text())
    assert "dependencies" not in manifest
    assert manifest["sideEffects"] is False and manifest["type"] == "module" and manifest["license"] == "Apache-2.0"
    assert all(manifest["peerDependenciesMeta"][name]["optional"] for name in manifest["peerDependencies"])
    assert set(manifest["exports"]) == {".", "./react", "./next", "./server", "./package.json"}
    for entry in manifest["exports"].values():
        for target in [entry] if isinstance(entry, str) else entry.values():
            assert (kit / target).exists(), target


def test_only_the_react_entry_imports_anything(kit: Path) -> None:
    importing = {
        path.name: names
        for path in (kit / "dist").glob("*.js")
        if (names := {name for name in re.findall(r"""(?:from|import\()\s*["']([^"']+)""", path.read_text()) if not name.startswith("./")})
    }
    assert importing == {"react.js": {"react"}}
    assert (kit / "dist" / "react.js").read_text().startswith('"use client";')


def test_who_uses_only_the_client_carries_only_the_client(kit: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.js"
    (kit / "only-client.js").write_text('import { createAtlasBilling } from "@atlas/billing"; console.log(createAtlasBilling().checkoutUrl());')
    esbuild = ["--bundle", "--minify", "--format=esm", "--target=es2022", f"--outfile={bundle}"]
    node.npm("exec", "--offline", "--", "esbuild", "only-client.js", *esbuild, cwd=kit)
    text = bundle.read_bytes()
    assert b"Checkout canceled" not in text, "the copy of toasts"
    assert b"session-token" not in text, "what is for servers"
    assert len(zlib.compress(text, 9)) < MOST_BYTES


@pytest.mark.parametrize(("module", "resolution"), [("nodenext", "nodenext"), ("preserve", "bundler")])
def test_strict_consumers_and_the_readmes_examples_compile(kit: Path, consumer: Path, module: str, resolution: str) -> None:
    options = {**STRICT, "module": module, "moduleResolution": resolution}
    (consumer / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts", "*.tsx"]}))
    assert len(snippets()) >= 5
    node.node(str(kit / "node_modules/typescript/bin/tsc"), "--project", str(consumer), cwd=consumer)


def test_its_lock_names_no_registry_and_has_a_digest_for_everything() -> None:
    lock = json.loads((node.KIT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry or "integrity" not in entry] == []
    assert (node.KIT / ".npmrc").read_text().split() == ["omit-lockfile-registry-resolved=true"]
    assert "://" not in (node.KIT / "package.json").read_text()


def test_nothing_that_was_installed_or_built_is_committed() -> None:
    done = subprocess.run(["git", "ls-files", "clients"], cwd=WORKSPACE, text=True, capture_output=True)
    if done.returncode != 0:
        pytest.skip("not a git work tree")
    assert [path for path in done.stdout.split() if re.search(r"node_modules/|/dist/|/out/|\.tgz$", path)] == []
