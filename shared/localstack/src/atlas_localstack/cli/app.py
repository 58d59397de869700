"""`./atlas`: the commands of the local stack, with the operator's behind them."""

from __future__ import annotations

import sys
from typing import NoReturn

from atlas_localstack.servers.errors import ServerError
from atlas_localstack.stack.configuration import StackConfigurationError
from atlas_operator import command_line
from atlas_operator.command_line import Command

_CLI, _PANEL = "atlas_localstack.cli", "The local stack"
COMMANDS = {
    "up": Command(f"{_CLI}.up", _PANEL),
    "down": Command(f"{_CLI}.down", _PANEL),
    "status": Command(f"{_CLI}.status", _PANEL),
    "logs": Command(f"{_CLI}.logs", _PANEL),
    "promote": Command(f"{_CLI}.promote", _PANEL),
    "test": Command(f"{_CLI}.test", _PANEL, passes_on=True),  # pytest's arguments
    **command_line.COMMANDS,
}
ABOUT = "Project Atlas, billing: the whole system on this machine, and the tools to look after it."


def main() -> NoReturn:
    """Run the command that the user typed, and leave with its exit code."""
    command_line.run(COMMANDS, sys.argv[1:], "./atlas", ABOUT, mendable=(ServerError, StackConfigurationError))
