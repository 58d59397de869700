"""The commands, put together."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import typer

from atlas_devstack.operator.errors import CallFailed, NoTarget
from atlas_devstack.servers.errors import ServerError
from atlas_devstack.stack.configuration import ConfigurationError

from .console import EXIT_MISUNDERSTOOD, errors, line

STACK, LOOK_AFTER = "The local stack", "Looking after the money"
# Command: the module it is in (a function of the command's name, or a group called `app`), and where the help lists it.
COMMANDS = {
    "up": ("up", STACK),
    "down": ("down", STACK),
    "status": ("status", STACK),
    "logs": ("logs", STACK),
    "test": ("test", STACK),
    "explain": ("explain", LOOK_AFTER),
    "audit": ("audit", LOOK_AFTER),
    "pull": ("pull", LOOK_AFTER),
    "rebuild": ("rebuild", LOOK_AFTER),
    "parked": ("parked", LOOK_AFTER),
    "grant": ("adjust", LOOK_AFTER),
    "revoke": ("adjust", LOOK_AFTER),
    "forget": ("forget", LOOK_AFTER),
    "doctor": ("doctor", LOOK_AFTER),
}
# pytest's arguments go through `test` untouched.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def build(arguments: list[str]) -> typer.Typer:
    """The command line. Only the command that is called is loaded: each brings libraries that others do without."""
    app = typer.Typer(
        name="atlas",
        help="Project Atlas, billing: the whole system on this machine, and the tools to look after it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    # A callback keeps `./atlas` a group of commands even where a single one is loaded.
    app.callback()(lambda: None)
    called = arguments[0] if arguments and arguments[0] in COMMANDS else None
    for name in [called] if called else COMMANDS:
        module_name, panel = COMMANDS[name]
        module = importlib.import_module(f"{__package__}.{module_name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, rich_help_panel=panel)
        else:
            settings = PASS_ON if name == "test" else None
            app.command(name, rich_help_panel=panel, context_settings=settings)(getattr(module, name))
    return app


def main() -> None:
    """Run a command; what a person can mend is said in a sentence, not in a traceback."""
    try:
        code = build(sys.argv[1:])(prog_name="./atlas", standalone_mode=False)
    except (ServerError, ConfigurationError, NoTarget) as error:
        _leave(str(error), 1)
    except CallFailed as error:
        _leave(str(error), EXIT_MISUNDERSTOOD if error.misunderstood else 1)
    except typer.Abort:
        _leave("Stopped.", 1)
    except typer.TyperException as error:  # what was typed is not understood
        said = getattr(error, "format_message", lambda: "")()  # empty: the help is printed already
        _leave(said.rstrip(".") + "." if said else "", EXIT_MISUNDERSTOOD)
    except BrokenPipeError:  # `./atlas logs … | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> NoReturn:
    if message:
        errors.print(line(("✗ ", "bold red"), message))
    sys.exit(code)
