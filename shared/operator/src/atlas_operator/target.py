"""Which system the operator means: the local stack, or one named by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, INGEST_SERVICE
from atlas_contracts.issuers import OPERATOR
from atlas_kit.process.keys import read_signing_key
from atlas_operator.errors import NoTarget
from atlas_operator.key_folder import as_setting
from atlas_operator.local import environment, running_stack

# The variable that names each service's address in production.
VARIABLES = {
    ENTITLEMENTS_SERVICE: "ENTITLEMENTS_URL",
    CHECKOUT_SERVICE: "CHECKOUT_URL",
    INGEST_SERVICE: "WEBHOOK_INGEST_URL",
    GATEWAY_SERVICE: "ACCOUNT_GATEWAY_URL",
}


@dataclass(frozen=True)
class Target:
    """Addresses of the services, and the private key that signs the operator's tokens (JWK or PEM)."""

    urls: Mapping[str, str]
    signing_key: SecretStr
    local: bool
    beside: Mapping[str, str] = field(default_factory=dict)
    """Addresses of what runs beside the services and is only asked whether it is ready: the support desk."""

    def url(self, service: str) -> str:
        """A service's address. Raises NoTarget when the environment names none."""
        if service not in self.urls:
            raise NoTarget(f"The address of {service} is missing. Set {VARIABLES[service]}.")
        return self.urls[service].rstrip("/")


def find(environ: Mapping[str, str] | None = None) -> Target:
    """The system in the environment (`*_URL` with INTERNAL_SIGNING_KEY), else the running local stack."""
    return find_exactly(environment(os.environ if environ is None else environ))


def find_exactly(given: Mapping[str, str]) -> Target:
    """As :func:`find`, by these variables alone: a `.env` file is not read. Raises NoTarget."""
    named = {service: given[variable] for service, variable in VARIABLES.items() if variable in given}
    if named:
        return Target(named, _signing_key(given, named), local=False)
    running = running_stack(given)
    if running is None:
        raise NoTarget(
            "No local stack is running. Start it with ./atlas up, or name another system: "
            f"INTERNAL_SIGNING_KEY and {', '.join(VARIABLES.values())}."
        )
    urls = {name: str(service["url"]) for name, service in running.stack["services"].items()}
    if "signing_key" not in running.operator:
        raise NoTarget("The local stack was started by an earlier version. Restart it: ./atlas down, then ./atlas up")
    beside = {"desk": str(running.stack["desk"]["url"])} if "desk" in running.stack else {}
    return Target(urls, SecretStr(as_setting(running.operator["signing_key"])), local=True, beside=beside)


def _signing_key(given: Mapping[str, str], named: Mapping[str, str]) -> SecretStr:
    """The operator's own key, that a system elsewhere trusts. Raises NoTarget without one."""
    if "INTERNAL_SIGNING_KEY" not in given:
        replaced = " INTERNAL_AUTH_SECRET is no longer read." if "INTERNAL_AUTH_SECRET" in given else ""
        raise NoTarget(
            f"{', '.join(VARIABLES[name] for name in named)} needs INTERNAL_SIGNING_KEY beside it, the operator's "
            f"private key.{replaced}"
        )
    try:
        key = read_signing_key(given["INTERNAL_SIGNING_KEY"])
    except ValueError as error:
        raise NoTarget(f"INTERNAL_SIGNING_KEY: {error}") from None
    if key.kid not in (None, OPERATOR):
        raise NoTarget(f"INTERNAL_SIGNING_KEY: is the key of {key.kid!r}, the command line needs that of {OPERATOR}.")
    return SecretStr(given["INTERNAL_SIGNING_KEY"])
