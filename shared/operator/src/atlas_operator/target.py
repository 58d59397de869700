"""Which system the operator means: the local stack, or one named by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, INGEST_SERVICE
from atlas_operator.errors import NoTarget
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
    """Addresses of the services, and the secret that signs the operator's tokens."""

    urls: Mapping[str, str]
    secret: str
    local: bool

    def url(self, service: str) -> str:
        """A service's address. Raises NoTarget when the environment names none."""
        if service not in self.urls:
            raise NoTarget(f"The address of {service} is missing. Set {VARIABLES[service]}.")
        return self.urls[service].rstrip("/")


def find(environ: Mapping[str, str] | None = None) -> Target:
    """The system in the environment (`*_URL` with INTERNAL_AUTH_SECRET), else the running local stack."""
    given = environment(os.environ if environ is None else environ)
    named = {service: given[variable] for service, variable in VARIABLES.items() if variable in given}
    if named:
        if "INTERNAL_AUTH_SECRET" not in given:
            raise NoTarget(f"{', '.join(VARIABLES[name] for name in named)} needs INTERNAL_AUTH_SECRET beside it.")
        return Target(named, given["INTERNAL_AUTH_SECRET"], local=False)
    running = running_stack(given)
    if running is None:
        raise NoTarget(
            "No local stack is running. Start it with ./atlas up, or name another system: "
            f"INTERNAL_AUTH_SECRET and {', '.join(VARIABLES.values())}."
        )
    urls = {name: str(service["url"]) for name, service in running.stack["services"].items()}
    return Target(urls, str(running.operator["internal_auth_secret"]), local=True)
