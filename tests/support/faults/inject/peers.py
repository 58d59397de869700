"""The broker's nodes reach each other through the proxies of the test: each has a link of its own to each other one.

The supervisor writes their configuration; its function is wrapped, in that process only.
"""

import functools
import json

import imports

NOWHERE = "127.0.0.1:9"


def install(path):
    """``path``: a JSON file, a node's own port for the others → {another's port: the port of the proxy to it}."""
    with open(path) as file:
        proxies = json.load(file)
    imports.change_modules({"atlas_localstack.servers.broker": [functools.partial(_lead_astray, proxies=proxies)]})


def _lead_astray(module, proxies):
    straight = module._cluster

    def through_proxies(routes):
        told = straight(routes)
        for port, proxy in proxies[str(routes.port)].items():
            told = told.replace(f':{port}"', f':{proxy}"')
        # Nodes tell each other where the others are, too: what they hear must not lead past the proxies.
        return told.replace("no_advertise: true", f'no_advertise: true\n  advertise: "{NOWHERE}"')

    module._cluster = through_proxies
