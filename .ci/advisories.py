#!/usr/bin/env python3
"""Asks the package index about known vulnerabilities of what is locked, as pip-audit does; usage: advisories.py LOCK…

The index is the one that pip is configured with; PyPI's own tells of them at ``/pypi/NAME/VERSION/json``. Exits with 1
where one that has a fix concerns a locked version, otherwise with 0: an index that is away, or that doesn't tell (many
mirrors don't), must stop nobody, but it is said that nothing was checked.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
AT_A_TIME = 8
SECONDS = 15
ASK_PIP = "import sys; from pip._internal.models.index import PyPI; sys.stdout.write(PyPI.simple_url)"
"""Where pip goes unless it is told otherwise: so that no address is written here."""


def pins(locks: Iterable[str]) -> list[tuple[str, str]]:
    return sorted({(name.lower(), version) for lock in locks for name, version in PIN.findall(lock)})


def index() -> str:
    """The index that pip would ask, without its ``/simple``."""
    configured = os.environ.get("PIP_INDEX_URL") or _said("-m", "pip", "config", "get", "global.index-url")
    default = _said("-c", ASK_PIP)
    return re.sub(r"/simple/?$", "", configured.strip() or default)


def _said(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False).stdout


def vulnerabilities(base: str, name: str, version: str) -> list[Mapping[str, Any]] | None:
    """Those known of one version; None where the index doesn't say."""
    try:
        with urllib.request.urlopen(f"{base}/pypi/{name}/{version}/json", timeout=SECONDS) as answer:
            told = json.load(answer)["vulnerabilities"]
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return None
    return [found for found in told if not found.get("withdrawn")] if isinstance(told, list) else None


def main(locks: list[str]) -> int:
    wanted = pins(Path(lock).read_text() for lock in locks)
    base = index()
    if vulnerabilities(base, *wanted[0]) is None:
        print("advisories: this index doesn't tell any, or is away: NOT CHECKED (SECURITY.md says how to check)")
        return 0
    with ThreadPoolExecutor(AT_A_TIME) as asking:
        told = list(asking.map(lambda pin: vulnerabilities(base, *pin), wanted))
    bad = False
    for (name, version), found in zip(wanted, told, strict=True):
        for one in found or ():
            fixed = ", ".join(one.get("fixed_in") or ())
            bad |= bool(fixed)
            print(f"{name} {version}: {one.get('id')}; {f'fixed in {fixed}' if fixed else 'no fix yet'}")
    silent = [name for (name, _), found in zip(wanted, told, strict=True) if found is None]
    print(f"advisories: {len(wanted) - len(silent)} of {len(wanted)} versions checked", *silent)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
