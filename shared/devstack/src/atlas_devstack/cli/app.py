"""The commands, put together."""

from __future__ import annotations

import sys

import typer
from rich.text import Text

from atlas_devstack.operator.client import CallFailed
from atlas_devstack.operator.target import NoTarget
from atlas_devstack.servers.errors import ServerError
from atlas_devstack.stack.configuration import ConfigurationError

from . import adjust, audit, doctor, down, explain, forget, logs, parked, pull, rebuild, status, test, up
from .console import errors

app = typer.Typer(
    name="atlas",
    help="Project Atlas, billing: the whole system on this machine, and the tools to look after it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
STACK, LOOK_AFTER = "The local stack", "Looking after the money"
app.command("up", rich_help_panel=STACK)(up.up)
app.command("down", rich_help_panel=STACK)(down.down)
app.command("status", rich_help_panel=STACK)(status.status)
app.command("logs", rich_help_panel=STACK)(logs.logs)
app.command("test", rich_help_panel=STACK, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    test.test
)
app.command("explain", rich_help_panel=LOOK_AFTER)(explain.explain)
app.command("audit", rich_help_panel=LOOK_AFTER)(audit.audit)
app.command("pull", rich_help_panel=LOOK_AFTER)(pull.pull)
app.command("rebuild", rich_help_panel=LOOK_AFTER)(rebuild.rebuild)
app.command("doctor", rich_help_panel=LOOK_AFTER)(doctor.doctor)
app.add_typer(parked.app, name="parked", rich_help_panel=LOOK_AFTER)
app.command("grant", rich_help_panel=LOOK_AFTER)(adjust.grant)
app.command("revoke", rich_help_panel=LOOK_AFTER)(adjust.revoke)
app.command("forget", rich_help_panel=LOOK_AFTER)(forget.forget)


def main() -> None:
    """Run a command; what a person can mend is said in a sentence, not in a traceback."""
    try:
        app(prog_name="./atlas")
    except (ServerError, ConfigurationError, NoTarget, CallFailed) as error:
        errors.print(Text.assemble(("✗ ", "bold red"), str(error)))
        sys.exit(1)
    except BrokenPipeError:  # `./atlas logs … | head`
        sys.stderr.close()
        sys.exit(0)
